"""Datasets: what a dataset card says, with links to what they were made from."""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link

__all__ = ["Dataset"]


class Dataset(Artifact, type_name="datasets"):
    """Datasets"""

    license: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="SPDX identifier or expression."
    )
    tasks: Field[list[str]] = field(
        factory=list, index=True, search=2, mutable=True, description="What it is good for, as text-classification."
    )
    modalities: Field[list[str]] = field(
        factory=list, index=True, mutable=True, description="What is in it: text, image, audio, video, tabular."
    )
    languages: Field[list[str]] = field(
        factory=list, index=True, mutable=True, description="Languages in it, by their BCP 47 tags."
    )
    data_format: Field[str | None] = field(
        default=None, max_length=64, index=True, description="Format of its files, as parquet, csv, jsonl."
    )
    rows: Field[int | None] = field(default=None, ge=0, index=True, unit="rows", description="Rows of all splits.")
    splits: Field[dict[str, int]] = field(factory=dict, description="Rows by split, as train, validation, test.")
    features: Field[dict[str, str]] = field(factory=dict, description="Type of each column, by its name.")
    personal_data: Field[bool | None] = field(
        default=None, index=True, mutable=True, description="Whether it holds personal data; none while not known."
    )
    sources: Field[list[Link[Dataset]]] = field(factory=list, description="Datasets it was made from.")
    homepage: Field[str | None] = field(
        default=None, max_length=2048, mutable=True, description="Where people read on."
    )
    citation: Field[str | None] = field(default=None, mutable=True, description="How to cite it, as BibTeX.")
    card: Field[Blob | None] = field(default=None, mutable=True, description="The card for people, Markdown.")
    files: Field[dict[str, Blob]] = field(factory=dict, description="The data, by path.")
