"""Commands that carry a catalogue elsewhere: export and import, as JSON Lines.

The first line says what the file is, then comes a line per type with its spec, then a line per artifact as
`metastore.Catalog.dump` gives it, and at last how many artifacts there were. So an empty catalogue can be filled without the Python
classes, and an export that was cut off is known for one, wherever that was. Exports of before have no last line, and say so by their first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import IO, Any

import click

from metastore import Catalog, Record, TypeSpec, make_type, spec_from_json, spec_to_json
from metastore._json import distinct
from metastore.cli import _output as output
from metastore.cli._fields import complete_type, spec_named
from metastore.cli._session import Command, caller, opened
from metastore.cli._target import target_at
from metastore.errors import DeclarationError, MetastoreError, UnknownTypeError, ValidationError

__all__ = ["COMMANDS"]

FORMAT = 1
TOGETHER = 500
OURS = "metastore_"
"""How the names of types begin that the engine keeps for itself."""
_Numbered = tuple[int, dict[str, Any]]
_NumberedSpec = tuple[int, TypeSpec]


@click.command("export", cls=Command)
@click.argument("file", default="-")
@click.option(
    "--type", "type_names", multiple=True, shell_complete=complete_type, help="Only this type; may be given again."
)
def export(file: str, type_names: tuple[str, ...]) -> None:
    """Write every artifact, specs first, as JSON Lines to FILE (standard output unless given)."""
    catalog = opened()
    specs = [spec_named(catalog, name) for name in type_names] or catalog.types(unlisted=caller() is None)
    with target_at(file) as target:
        number = _export(catalog, specs, target)
    output.note(f"{_counted(number, 'artifact')} of {_counted(len(specs), 'type')}")


def _export(catalog: Catalog, specs: Sequence[TypeSpec], target: IO[bytes]) -> int:
    _line(target, {"metastore": "export", "format": FORMAT, "ends": True})
    for spec in specs:
        _line(target, {"spec": spec_to_json(spec)})
    number = 0
    for spec in specs:
        for record in catalog.dump_many(catalog.artifact_type(spec.name)):
            _line(target, record)
            number += 1
    _line(target, {"metastore": "end", "format": FORMAT, "artifacts": number})
    return number


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _line(target: IO[bytes], value: Any) -> None:
    target.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


@click.command("import", cls=Command)
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--partial", is_flag=True, help="Take what is there of an export that was cut off, or has lines left out."
)
def import_(file: IO[bytes], *, partial: bool) -> None:
    """Read what export wrote from FILE (standard input unless given): all of it, or nothing.

    Ids, times, owners and revisions come as they are; what is there under the same id with other content is replaced,
    also by what is older. A line that does not fit is told with its number.
    """
    catalog = opened(make=True)
    subjects, loaded = list[str](), Counter[bool]()
    with catalog.transaction(message="import"):
        there = catalog.count(Record)
        for name, records in _runs(catalog, file, _End(partial=partial)):
            loaded[name.startswith(OURS)] += _load(catalog, name, _noted(name, records, subjects))
        replaced = loaded[False] - (catalog.count(Record) - there)
    output.note(_counted(loaded.total(), "artifact") + _instead(replaced))
    if strays := _strays(catalog, subjects):
        output.note(
            f"{strays} that the engine keeps (signatures, memberships) came without the artifacts that they are of: import those, too; metastore check names them"
        )


def _instead(replaced: int) -> str:
    return f", {replaced} of them in the place of what was there" if replaced else ""


def _noted(name: str, records: Iterator[_Numbered], subjects: list[str]) -> Iterator[_Numbered]:
    """Yield the records, and note which artifacts those are of that the engine keeps for itself."""
    for number, record in records:
        if name.startswith(OURS) and "artifact" in record:
            subjects.append(record["artifact"])
        yield number, record


def _strays(catalog: Catalog, subjects: list[str]) -> int:
    """Return how many there are whose artifacts are not there."""
    count = 0
    for begin in range(0, len(subjects), TOGETHER):
        some = subjects[begin : begin + TOGETHER]
        count += len(some) - len(catalog.get_many(Record, some))
    return count


class _End:
    """Whether an export is there to its end, which says how many artifacts it has."""

    def __init__(self, *, partial: bool) -> None:
        self._asked, self._due, self._count = not partial, False, 0
        self._over = False

    def cuts(self, line: bytes) -> bool:
        """Return whether a line is what is left of one, and may be left out."""
        if self._asked or line.endswith(b"\n"):
            return False
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return True
        return False

    def one_more(self, number: int) -> None:
        """Count an artifact. Raises ValidationError for one after the end, which is none of those that the export had."""
        if self._over and self._asked:
            raise ValidationError(
                f"line {number}: an artifact stands after the end of the export; get the whole of it, or take what is here with --partial"
            )
        self._count += 1

    def read(self, number: int, told: dict[str, Any]) -> None:
        """Take in a line that says what the file is, or that it ends. Raises ValidationError."""
        if told.get("format") != FORMAT:
            raise ValidationError(f"line {number}: expected an export of format {FORMAT}, found {told.get('format')!r}")
        if told["metastore"] == "export":
            self.check()
            self._due, self._count, self._over = told.get("ends") is True, 0, False
        elif told["metastore"] == "end":
            self._compare(number, told.get("artifacts"))
            self._due, self._over = False, True
        else:
            raise ValidationError(
                f"line {number}: expected 'export' or 'end' under 'metastore', found {told['metastore']!r:.100}"
            )

    def _compare(self, number: int, artifacts: Any) -> None:
        if not self._asked:
            return
        if not isinstance(artifacts, int) or isinstance(artifacts, bool):
            raise ValidationError(
                f"line {number}: expected how many artifacts the export had, found {artifacts!r:.100}; get the whole of it,"
                " or take what is here with --partial"
            )
        if artifacts != self._count:
            raise ValidationError(
                f"line {number}: the export had {artifacts} artifacts, here are {self._count}; get the whole of it, or"
                " take what is here with --partial"
            )

    def close(self, lines: int) -> None:
        """Take in that no more comes, after so many lines. Raises ValidationError."""
        if not lines and self._asked:
            raise ValidationError(
                "nothing came, where an export of nothing has lines, too: see whether what should have written it failed"
            )
        self.check()

    def check(self) -> None:
        """Raise ValidationError where the end is still to come."""
        if self._due and self._asked:
            raise ValidationError(
                f"the export was cut off after {_counted(self._count, 'artifact')}; get the whole of it, or take what is here with --partial"
            )


def _runs(catalog: Catalog, file: Iterable[bytes], end: _End) -> Iterator[tuple[str, Iterator[_Numbered]]]:
    """Register the specs and yield the artifacts, those of one type that follow each other together."""
    specs: list[_NumberedSpec] = []
    ahead = _artifacts(file, specs, end)
    first = next(ahead, None)
    _register(catalog, specs)
    if first is not None:
        known = len(specs)
        yield from groupby(_chain(first, ahead), key=lambda entry: str(entry[1]["type"]))
        if len(specs) > known:
            raise ValidationError(f"line {specs[known][0]}: a spec stands after the first artifact; specs come first")


def _chain(first: _Numbered, ahead: Iterator[_Numbered]) -> Iterator[_Numbered]:
    yield first
    yield from ahead


def _artifacts(file: Iterable[bytes], specs: list[_NumberedSpec], end: _End) -> Iterator[_Numbered]:
    number = 0
    for number, line in enumerate(file, 1):
        if end.cuts(line):
            return
        record = _record(number, line)
        if "type" in record:
            if not isinstance(record["type"], str):
                raise ValidationError(f"line {number}: expected an artifact with its type, found none")
            end.one_more(number)
            yield number, record
        elif "spec" in record:
            specs.append((number, _spec(number, record["spec"])))
        elif "metastore" in record:
            end.read(number, record)
        else:
            raise ValidationError(f"line {number}: expected an artifact with its type, found none")
    end.close(number)


def _record(number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=distinct)
    except json.JSONDecodeError as error:
        raise ValidationError(f"line {number}: no JSON: {error.msg} at character {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        # a key twice, no UTF-8, a number of thousands of digits, thousands of brackets
        raise ValidationError(f"line {number}: no JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValidationError(f"line {number}: expected a JSON object, found {type(record).__name__}")
    return record


def _spec(number: int, data: Any) -> TypeSpec:
    try:
        return spec_from_json(data)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValidationError(f"line {number}: a spec that cannot be read: {error!r}") from error


def _register(catalog: Catalog, specs: list[_NumberedSpec]) -> None:
    known = {spec.name: spec.digest for spec in catalog.types(unlisted=True)}
    made: dict[str, type[Any]] = {}

    def resolve(name: str) -> type[Any]:
        return made[name] if name in made else catalog.artifact_type(name)

    for number, spec in specs:
        new = _made(number, spec, resolve)
        if known.get(spec.name) != spec.digest:
            made[spec.name] = new
    catalog.register(*made.values())
    for cls in (made[name] for name in made if name not in known):
        catalog.count(cls)  # at first use a type is stored; one without artifacts has no other


def _made(number: int, spec: TypeSpec, resolve: Callable[[str], type[Any]]) -> type[Any]:
    try:
        return make_type(spec, resolve)
    except (DeclarationError, RecursionError) as error:
        raise ValidationError(f"line {number}: a spec that cannot be taken: {error}") from error


def _load(catalog: Catalog, name: str, records: Iterator[_Numbered]) -> int:
    try:
        kind = catalog.artifact_type(name)
    except UnknownTypeError as error:
        raise UnknownTypeError(f"line {next(records)[0]}: {error}") from error
    loaded = 0
    while some := list(islice(records, TOGETHER)):
        loaded += _load_some(catalog, kind, some)
    return loaded


def _load_some(catalog: Catalog, kind: type[Any], some: list[_Numbered]) -> int:
    try:
        with catalog.transaction():
            return catalog.load(kind, (record for _number, record in some))
    except MetastoreError:
        for number, record in some:
            _load_one(catalog, kind, number, record)
        raise


def _load_one(catalog: Catalog, kind: type[Any], number: int, record: dict[str, Any]) -> None:
    """Load one record of those that were refused together, so that the refusal names its line."""
    try:
        catalog.load(kind, [record])
    except MetastoreError as error:
        raise type(error)(f"line {number}: {error}") from error


COMMANDS: tuple[click.Command, ...] = (export, import_)
