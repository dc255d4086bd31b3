"""Sweeping: looking at every object of stores with every catalogue that may refer to them. Nothing is changed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from metastore._artifact import Record
from metastore._expr import references
from metastore._finding import Finding, GarbagePlan
from metastore._garbage import GARBAGE, Discarded, Lease, leased, leases
from metastore._ids import make_id
from metastore._places import Base, base_of
from metastore._references import References
from metastore.errors import ConflictError, MetastoreError, MissingBytesError, StoreUnableError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore.query import Predicate
    from metastore.stores import Stat, Store, Stores

__all__ = ["WEEK", "Ground", "Place", "plan", "same", "survey"]

WEEK = timedelta(days=7)


class Place:
    """One store that is swept."""

    def __init__(self, stores: Stores, name: str, number: int) -> None:
        from metastore.stores import Sweeps

        self.name, self.number, self._stores = name, number, stores
        self.store = stores.writable(name)
        self.base: Base = base_of(self.store.url)
        drive: Any = stores.drive(name)
        if not isinstance(drive, Sweeps):
            raise StoreUnableError(
                f"the store {name} cannot be swept: its driver does not list or move objects", store=name
            )
        self.drive: Any = drive

    def url(self, key: str) -> str:
        """Return the url of a key."""
        return self._stores.url(self.name, key)

    def opens(self, key: str) -> bool:
        """Whether that url leads to the key, so that it can be referred to and restored by it."""
        from metastore.stores._drive import is_own
        from metastore.stores._url import place_of, under

        if is_own(key):
            return False
        try:
            return "/".join(under(place_of(self.url(key)), self.store.place) or ()) == key
        except (MetastoreError, UnicodeError):
            return False

    def found(self, key: str) -> Stat | None:
        """Return what lies at a key, if anything does."""
        try:
            told: Stat = self.drive.stat(key)
        except MissingBytesError:
            return None
        return told


class Ground:
    """Stores, and the catalogues that may refer to what lies in them: the roots."""

    def __init__(self, roots: Sequence[Catalog], stores: Iterable[str] | None) -> None:
        self.roots = list(roots)
        _check_roots(self.roots)
        configured = self.roots[0].stores
        names = _writable(configured) if stores is None else list(dict.fromkeys(stores))
        self.places = [Place(configured, name, number) for number, name in enumerate(names)]
        _check_apart(self.places)
        _check_links(self.places, [each for root in self.roots for each in root.stores.values()])
        self.references: list[References] = []

    def look(self) -> None:
        """Read what every root refers to."""
        bases = [each.base for each in self.places]
        self.references = [References(each._backend, bases) for each in self.roots]

    def leases(self, now: datetime) -> list[Lease]:
        """Return the leases of all roots."""
        return [one for each in self.roots for one in leases(each, now)]

    def naming(self, place: Place, key: str) -> list[Catalog]:
        """Return the roots that may refer to an object."""
        return [root for root, found in zip(self.roots, self.references, strict=True) if found.name(place.number, key)]

    def discarded(self, place: Place, state: str = "aside") -> dict[str, list[Discarded]]:
        """Return what was discarded of a store, by key, from every root that knows of it."""
        found: dict[str, list[Discarded]] = {}
        for root in self.roots:
            if root._types.has(GARBAGE):
                for each in root.find(Discarded, *_discarded(place.base, state)):
                    found.setdefault(each.key, []).append(each)
        return found


def _discarded(base: Base, state: str) -> tuple[Predicate, Predicate]:
    where: Any = Discarded.state  # one of few words, which a text may be or not
    return Discarded.base == str(base), where == state


def _check_roots(roots: Sequence[Catalog]) -> None:
    if not roots:
        raise ValidationError("garbage is what no catalogue refers to: name the catalogues")
    for each in roots:
        each._check_ours("garbage")
        each._check_open()
        if getattr(each._local, "open", None) is not None:
            raise ConflictError("a sweep makes transactions of its own: call it outside of one")
        each._types.refresh()


def _writable(stores: Stores) -> list[str]:
    found = [each for each in stores.values() if not each.read_only and each.place.protocol not in ("http", "https")]
    if not found:
        raise ValidationError(
            "no store that can be written is configured, by stores=… or --stores, so there is nothing to sweep"
        )
    return [each.name for each in found]


def _check_apart(places: Sequence[Place]) -> None:
    """What is put aside in one store must not be an object of the other."""
    for one in places:
        for other in places:
            within = one.base.path[: len(other.base.path)] == other.base.path
            same = (one.base.family, one.base.root) == (other.base.family, other.base.root)
            if one is not other and same and within:
                raise ConflictError(f"the store {one.name} lies within {other.name}: sweep one of them at a time")


def _check_links(places: Sequence[Place], configured: Iterable[Store]) -> None:
    """A folder in a store, configured by the path of a link: of a url there no text tells which object it names."""
    folders = {each.url: _folder(each) for each in configured if each.place.protocol == "file"}
    for place in places if folders else ():
        if place.store.place.protocol != "file":
            continue
        above = _folder(place.store)
        for url, inside in folders.items():
            really = _below(inside.resolve(), above.resolve())
            if really not in (None, (), _below(inside, above)):
                raise ConflictError(
                    f"the store at {url} leads into the store {place.name} by a link, so nobody could tell which objects its urls name: refer to them by {place.url('/'.join(really or ()))}, and take that store out"
                )


def _folder(store: Store) -> FilePath:
    return FilePath("/", *store.place.segments)


def _below(inside: FilePath, above: FilePath) -> tuple[str, ...] | None:
    return inside.parts[len(above.parts) :] if inside.is_relative_to(above) else None


def same(found: Stat | Finding, told: Stat) -> bool:
    """Whether a store tells of the same object."""
    return (found.size, found.mark) == (told.size, told.mark)


# looking


def survey(
    roots: Sequence[Catalog],
    stores: Iterable[str] | None = None,
    *,
    min_age: timedelta = WEEK,
    grace: timedelta = WEEK,
    at: datetime | None = None,
) -> Iterator[Finding]:
    """Yield every object of the stores with a verdict and its reason, one after the other, however many there are.

    ``roots`` are all the catalogues, or snapshots of them, that may refer to these stores: what none of them refers to is garbage. The stores
    are those that the first one is open with. What each argument means, and what is raised, is as `plan` says.
    """
    ground = Ground(roots, stores)
    ground.look()
    return _found(ground, min_age, grace, _moment(at), telling=True)


def plan(
    roots: Sequence[Catalog],
    stores: Iterable[str] | None = None,
    *,
    min_age: timedelta = WEEK,
    grace: timedelta = WEEK,
    everything: bool = False,
    at: datetime | None = None,
) -> GarbagePlan:
    """Return what may be done about garbage in the stores, and why; nothing is done.

    What was written less than ``min_age`` ago stays, as a reference may be on its way; what was put aside ``grace`` ago may be deleted. With
    ``everything`` what stays is named, too. Raises ForbiddenError for a principal; StoreUnableError for a store that is read-only, of the web, or that cannot
    be listed; StoreError where one does not answer.
    """
    ground, moment = Ground(roots, stores), _moment(at)
    ground.look()
    kept, items = Counter[str](), list[Finding]()
    for each in _found(ground, min_age, grace, moment, telling=everything):
        if each.step is None:
            kept[each.verdict] += 1
        if everything or each.step is not None:
            items.append(each)
    return GarbagePlan(
        str(make_id()), moment, tuple(each.id for each in ground.roots), {each.name: each.store.url for each in ground.places},
        min_age.total_seconds(), grace.total_seconds(), dict(sorted(kept.items())), tuple(items),
    )  # fmt: skip


def _moment(at: datetime | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ValidationError(f"expected at as a datetime with a time zone, got {at!r:.60}")
    return at.astimezone(UTC)


def _found(ground: Ground, min_age: timedelta, grace: timedelta, now: datetime, *, telling: bool) -> Iterator[Finding]:
    if min(min_age, grace) < timedelta(0):
        raise ValidationError("expected min_age and grace as times of 0 or more")
    held = ground.leases(now)
    for place in ground.places:
        yield from _Look(ground, place, held, now, telling=telling).found(min_age, grace)


class _Look:
    """One look at one store."""

    def __init__(self, ground: Ground, place: Place, held: list[Lease], now: datetime, *, telling: bool) -> None:
        self._ground, self._place, self._held, self._now, self._telling = ground, place, held, now, telling
        self._pieces = place.drive.pieces()
        self._marks = ground.discarded(place)
        self._missing = set(self._marks)

    def found(self, min_age: timedelta, grace: timedelta) -> Iterator[Finding]:
        for key, told in self._place.drive.keys():  # noqa: SIM118 - no dict
            self._missing.discard(key)
            yield self._finding(key, told, *self._judged(key, told, min_age))
        for key, told in self._place.drive.aside():
            self._missing.discard(key)
            yield self._finding(key, told, *self._aside(key, grace))
        for key in sorted(self._missing):
            yield Finding(self._place.name, key, "gone", "it was put aside, and lies nowhere any more", "delete")
        for left in self._place.drive.unfinished():
            verdict, reason, step = self._unfinished(left, min_age)
            yield Finding(
                self._place.name, left.key, verdict, reason, step, left.size, left.modified, None, left.upload
            )

    def _finding(self, key: str, told: Stat, verdict: Any, reason: str, step: Any = None) -> Finding:
        return Finding(self._place.name, key, verdict, reason, step, told.size, told.modified, told.mark)

    def _judged(self, key: str, told: Stat, min_age: timedelta) -> tuple[Any, ...]:
        """Return verdict, reason and step for what lies at a key."""
        if not self._place.opens(key):
            return "strange", "no url leads to that key, so it is left alone"
        if named := self._named(key):
            broken = key in self._marks
            return (
                "referenced",
                named + ("; a run that broke off had begun to discard it" if broken else ""),
                "restore" if broken else None,
            )
        if key in self._pieces:
            return "piece", "another object consists of it, or leads to it"
        if why := self._early(key, told.modified, min_age):
            return why
        if key in self._marks and (aside := self._place.found(_aside_of(key))) is not None and not same(aside, told):
            return "quarantined", "other bytes of that key are in quarantine: delete or restore those first"
        return "unreferenced", f"none of {len(self._ground.roots)} catalogues refers to it", "quarantine"

    def _named(self, key: str) -> str:
        roots = self._ground.naming(self._place, key)
        return f"by {', '.join(self._who(each, key) for each in roots)}" if roots else ""

    def _who(self, root: Catalog, key: str) -> str:
        """Say what refers to a key in a root: the first artifact, where everything is to be told and it spells the url as we do."""
        for each in root.find(Record, references(self._place.url(key)), limit=1) if self._telling else ():
            return f"{type(each).__type_name__} {each.id} of catalogue {root.id}"
        return f"catalogue {root.id}"

    def _early(self, key: str, modified: datetime | None, min_age: timedelta) -> tuple[Any, ...] | None:
        if (held := leased(self._held, self._place.url(key))) is not None:
            return "leased", f"until {_iso(held.until)}, by {held.holder}"
        if min_age and modified is None:
            return "young", "the store does not tell when it was written"
        if min_age and modified is not None and self._now - modified < min_age:
            return "young", f"written {_iso(modified)}: a reference may be on its way until {_iso(modified + min_age)}"
        return None

    def _aside(self, key: str, grace: timedelta) -> tuple[Any, ...]:
        """Return verdict, reason and step for what was put aside."""
        if named := self._named(key):
            return "referenced", f"{named}, and it is in quarantine", "restore"
        if (held := leased(self._held, self._place.url(key))) is not None:
            return "leased", f"until {_iso(held.until)}, by {held.holder}, in quarantine"
        marks = self._marks.get(key)
        if marks is None:
            return "quarantined", "no catalogue here knows of it", "quarantine"
        since = max(each.updated_at for each in marks)
        due = since + grace
        if self._now < due:
            return "quarantined", f"since {_iso(since)}; it may be deleted from {_iso(due)}"
        return "quarantined", f"since {_iso(since)}", "delete"

    def _unfinished(self, left: Any, min_age: timedelta) -> tuple[Any, ...]:
        if why := self._early(left.target, left.modified, min_age):
            return *why, None
        return "unfinished", "an upload that broke off, and was not gone on with", "abandon"


def _aside_of(key: str) -> str:
    from metastore.stores._drive import aside_of

    return aside_of(key)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
