"""Machine-learning models: what model registries and model cards say, with links to bases and training data."""

from __future__ import annotations

from typing import Any

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link
from metastore.builtin.datasets import Dataset

__all__ = ["MLModel"]


class MLModel(Artifact, type_name="ml_models"):
    """Machine-learning models"""

    framework: Field[str | None] = field(
        default=None, max_length=64, index=True, description="What runs it, as pytorch, tensorflow, scikit-learn."
    )
    model_format: Field[str | None] = field(
        default=None, max_length=64, index=True, description="Format of its files, as safetensors, onnx, gguf."
    )
    task: Field[str | None] = field(
        default=None, max_length=64, index=True, mutable=True, description="What it does, as text-generation."
    )
    architecture: Field[str | None] = field(
        default=None, max_length=128, index=True, description="Family of its network, as resnet50."
    )
    parameters: Field[int | None] = field(default=None, ge=0, index=True, description="Count of its parameters.")
    precision: Field[str | None] = field(
        default=None, max_length=32, index=True, description="Numbers it is stored in, as bf16, int8, q4_k_m."
    )
    license: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="SPDX identifier or expression."
    )
    languages: Field[list[str]] = field(
        factory=list, index=True, mutable=True, description="Languages it knows, by their BCP 47 tags."
    )
    metrics: Field[dict[str, float]] = field(factory=dict, mutable=True, description="Measured figures, by name.")
    hyperparameters: Field[dict[str, Any]] = field(factory=dict, description="Settings it was trained with.")
    signature: Field[dict[str, Any]] = field(factory=dict, description="Shape of its inputs and outputs.")
    base_models: Field[list[Link[MLModel]]] = field(factory=list, description="Models it was made from.")
    datasets: Field[list[Link[Dataset]]] = field(factory=list, description="Datasets it was trained on.")
    card: Field[Blob | None] = field(default=None, mutable=True, description="The card for people, Markdown.")
    files: Field[dict[str, Blob]] = field(factory=dict, description="Weights and what belongs to them, by path.")
