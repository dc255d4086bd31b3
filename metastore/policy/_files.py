"""Read files of rules: JSON, and YAML where PyYAML is installed. Duplicates are mistakes in both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from metastore.errors import MissingExtraError, PolicyFileError
from metastore.policy._check import with_rules
from metastore.policy._read import Mistake

if TYPE_CHECKING:
    from metastore.policy._policy import Policy

__all__ = ["policy_from_file", "read_text"]


def policy_from_file(base: Policy, path: str | os.PathLike[str], actions: Iterable[str]) -> Policy:
    """Return the base with the rules of a file in their places. Raises PolicyFileError, MissingExtraError."""
    where = os.fspath(path)
    text = read_text(where)
    try:
        rules = _yaml(text) if where.lower().endswith((".yaml", ".yml")) else _json(text)
        return with_rules(base, rules, actions)
    except Mistake as mistake:
        raise PolicyFileError(f"{where}: {mistake}", where, mistake.rule, mistake.position) from None
    except RecursionError:
        raise PolicyFileError(f"{where}: it nests too deep to be a file of rules", where) from None


def read_text(path: str) -> str:
    """Return the text of a file. Raises PolicyFileError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as broken:
        raise PolicyFileError(f"{path}: expected UTF-8, found another byte at {broken.start}", path) from None
    except OSError as refused:
        raise PolicyFileError(f"{path}: cannot be read: {refused.strerror}", path) from None


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Mistake(f"expected a mapping of rule names to rules, found {type(found).__name__}")
    return found


def _json(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        return _mapping(json.loads(text, object_pairs_hook=_once))
    except json.JSONDecodeError as broken:
        raise Mistake(
            f"line {broken.lineno}, column {broken.colno}: not JSON ({broken.msg}); name YAML .yaml"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Mistake("it stands there twice", rule=name)
        found[name] = value
    return found


def _yaml(text: str) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]  # no stubs beside it
    except ImportError:
        raise MissingExtraError(
            "reading rules from YAML needs PyYAML: pip install 'metastore-engine[policy]' (JSON needs nothing)"
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as broken:
        raise Mistake(_yaml_flaw(broken)) from None
    return {} if root is None or root.tag == "tag:yaml.org,2002:null" else _once_yaml(root)


def _yaml_flaw(broken: Any) -> str:
    mark, problem = getattr(broken, "problem_mark", None), getattr(broken, "problem", None) or str(broken)
    at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{at}not YAML ({problem}); put rules in quotes"


def _once_yaml(root: Any) -> dict[str, Any]:
    """Return a mapping node as a dict: PyYAML itself would let the last of two equal names win, in silence."""
    if root.id != "mapping":
        raise Mistake(f"line 1: expected a mapping of rule names to rules, found a {root.id}")
    return _once([(_plain(key, ""), _value(value, key.value)) for key, value in root.value])


def _value(node: Any, name: str) -> Any:
    if node.id != "sequence":
        return _plain(node, name)
    return [
        [_plain(each, name) for each in part.value] if part.id == "sequence" else _plain(part, name)
        for part in node.value
    ]


def _plain(node: Any, name: str) -> str:
    """Return the text of a scalar; a bare ``!`` would be a tag and leave an empty text, which allows anyone."""
    if node.id != "scalar" or node.tag != "tag:yaml.org,2002:str" or (not node.value and node.style is None):
        found = node.id if node.id != "scalar" else f"{node.value!r:.60} ({node.tag.rpartition(':')[2]})"
        raise Mistake(f"line {node.start_mark.line + 1}: expected text in quotes, found {found}", rule=str(name))
    text: str = node.value
    return text
