"""From a class body to a type: its fields checked, its constructor made, its spec at first use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args, get_origin

from metastore._data import NO_DEFAULT, Factory, evolve
from metastore._declare import Unresolved, check_value, field_spec, hints_of
from metastore._field import Field, Properties, SystemVersion
from metastore._hooks import check_hooks
from metastore._lifecycle import ACTIONS, Lifecycle, Transition, check_lifecycle
from metastore._link import Link
from metastore._schema import FieldSpec, TypeSpec
from metastore._schemes import SCHEMES
from metastore._targets import link_hint, link_target, root_of
from metastore._version import Version, default
from metastore.errors import DeclarationError, nearest

__all__ = ["NOT_SETTABLE", "SET_BY_CATALOG", "build", "hand_on", "shared_spec", "spec_of"]

KEYWORDS = ("type_name", "unique", "scheme", "lifecycle", "rules")
TYPE_NAME = re.compile(r"(?!sqlite_)[a-z][a-z0-9_]{0,47}")
SET_BY_CATALOG = frozenset({"created_at", "updated_at", "revision"})
NOT_SETTABLE = SET_BY_CATALOG | {"id", "activated_at"}


def hand_on(cls: Any, keywords: dict[str, Any], take: Callable[..., None]) -> None:
    try:
        take(**keywords)
    except TypeError:
        known, name = KEYWORDS, next(iter(keywords), "")
        raise DeclarationError(
            f"{cls.__name__}: no class keyword {name!r}: {nearest(name, known)} ({', '.join(known)})"
        ) from None


def build(cls: Any, keywords: Mapping[str, Any], module: Any, local: Any) -> None:
    """Make a class body a type, or an abstract mix-in where it has no name. Raises DeclarationError naming class and field."""
    type_name = keywords.get("type_name")
    if type_name is not None and (not isinstance(type_name, str) or not TYPE_NAME.fullmatch(type_name)):
        raise DeclarationError(
            f"{cls.__name__}: expected a type_name like images ([a-z][a-z0-9_]*, at most 48, and not sqlite_…), got {type_name!r}"
        )
    cls.__type_name__ = type_name
    _take_keywords(cls, **{name: keywords.get(name) for name in KEYWORDS if name != "type_name"})
    _declare_own(cls, module, local)
    cls.__fields_by_name__ = _inherited(cls)
    if type_name is not None:
        _construct(cls)
        _check_lived(cls, cls.__lifecycle__)
        check_hooks(cls, cls.__lifecycle__)
    cls.__spec__ = cls.__hooks__ = None
    _check_unique(cls)


def _take_keywords(cls: Any, unique: Any, scheme: Any, lifecycle: Any, rules: Any) -> None:
    name = cls.__name__
    if scheme is not None and scheme not in SCHEMES:
        raise DeclarationError(f"{name}: unknown version scheme {scheme!r}: {nearest(str(scheme), SCHEMES)}")
    if isinstance(unique, str):
        raise DeclarationError(f"{name}: unique is several names like ({unique!r},), not one text")
    if lifecycle is not None:
        check_lifecycle(name, lifecycle)
    if rules is not None and not isinstance(rules, Mapping):
        raise DeclarationError(f"{name}: rules are names by action like {{'create': 'add_image'}}, got {rules!r:.60}")
    cls.__scheme__ = scheme or cls.__scheme__
    cls.__unique__ = tuple(unique) if unique is not None else cls.__unique__
    cls.__lifecycle__ = lifecycle or cls.__lifecycle__
    cls.__rules__ = {**cls.__rules__, **(rules or {})}


def _declare_own(cls: Any, module: Any, local: Any) -> None:
    hints = hints_of(cls, module, local)
    for name, hint in hints.items():
        given = cls.__dict__.get(name)
        if not isinstance(given, Field):
            raise DeclarationError(f"{cls.__name__}.{name}: declare it as {name}: Field[…] = field(…)")
        _declare_one(cls, name, hint, given)
    inherited = _inherited(cls)
    for name, given in cls.__dict__.items():
        if isinstance(given, Field) and name not in hints:
            raise DeclarationError(f"{cls.__name__}.{name}: give the field a type: {name}: Field[int] = field(…)")
        if name in inherited and not isinstance(given, Field):
            raise DeclarationError(
                f"{cls.__name__}.{name}: this would hide the field {name} that the class inherits; choose another name"
            )


_SYSTEM: dict[type, Any] = {SystemVersion: Version, Properties: dict[str, Any]}


def _declare_one(cls: Any, name: str, hint: Any, given: Any) -> None:
    root = root_of(cls)
    if cls is not root and name in root.__fields_by_name__:
        raise DeclarationError(f"{cls.__name__}.{name}: {name} is a system field; choose another name")
    plain = _SYSTEM.get(hint) if isinstance(hint, type) else None
    if plain is None and get_origin(hint) is not Field:
        raise DeclarationError(f"{cls.__name__}.{name}: declare it as {name}: Field[…] = field(…)")
    given.owner, given.hint = cls, get_args(hint)[0] if plain is None else plain
    if given.spec is not None:
        return
    options = {key: value for key, value in given.options.items() if not key.startswith("_")}
    given.spec = evolve(field_spec(cls.__name__, name, given.hint, options), **_default_words(cls, name, given))
    _keep_kind(cls, name, given)
    _check_default(f"{cls.__name__}.{name}", given)
    _check_target(f"{cls.__name__}.{name}", given)


def _check_default(where: str, given: Any) -> None:
    made = given.options["_default"]
    if isinstance(made, Factory):
        made = NO_DEFAULT if given.spec.default is None else made.factory()
    if made is not NO_DEFAULT and given.spec.name != "version":
        check_value(f"{where}: the default", given.spec, made)


def _check_target(where: str, given: Any) -> None:
    target = link_hint(given) if given.spec.links else Unresolved
    if isinstance(target, type) and not issubclass(target, (root_of(given.owner), Unresolved)):
        raise DeclarationError(f"{where}: a link leads to an artifact class, not to {target.__name__}")


def _keep_kind(cls: Any, name: str, given: Any) -> None:
    for base in cls.__mro__[1:]:
        inherited: Any = base.__dict__.get(name)
        old = getattr(inherited, "spec", None) if isinstance(inherited, Field) else None
        if old is not None and _loosens(inherited, given):
            raise DeclarationError(
                f"{cls.__name__}.{name}: a subclass cannot loosen the {old.kind} it inherits from {base.__name__}"
            )


def _loosens(inherited: Any, given: Any) -> bool:
    """Whether a value of the new type may be none of the old one's; constraints may be others."""
    old, new = inherited.spec, given.spec
    if (old.kind, old.item, old.fields) != (new.kind, new.item, new.fields) or (new.optional and not old.optional):
        return True
    typed = () if inherited.options.get("choices") else old.choices  # of an enum or Literal
    if typed and not (new.choices and set(new.choices) <= set(typed)):
        return True
    return bool(old.links) and _leads_elsewhere(link_hint(inherited), link_hint(given))


def _leads_elsewhere(old: Any, new: Any) -> bool:
    """Whether a link leads to what the old one does not; of a name that is not declared yet nobody knows."""
    known = all(isinstance(each, type) and not issubclass(each, Unresolved) for each in (old, new))
    return known and not issubclass(new, old)


def _default_words(cls: Any, name: str, given: Any) -> dict[str, Any]:
    made = given.options["_default"]
    if made is NO_DEFAULT:
        return {"required": given.options["_init"]}
    if isinstance(made, Factory):
        empty: dict[Any, Any] = {list: [], dict: {}}
        plain = empty.get(made.factory)
        return {"required": False, "default": plain, "hook": plain is None and name != "id"}
    return {"required": False, "default": _plain_default(cls, name, made)}


def _plain_default(cls: Any, name: str, made: Any) -> Any:
    plain = getattr(made, "value", made) if not isinstance(made, Version) else made.text
    if isinstance(plain, datetime):
        return plain.isoformat()
    if plain is not None and not isinstance(plain, bool | int | float | str):
        raise DeclarationError(f"{cls.__name__}.{name}: the default {made!r} could change; give factory=… instead")
    return plain


def _inherited(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update({name: each for name, each in base.__dict__.items() if isinstance(each, Field)})
    for name, each in found.items():
        if each.spec is None and name not in cls.__dict__:
            raise DeclarationError(f"{cls.__name__}.{name}: the mix-in that declares {name} must derive from Record")
    return found


def _construct(cls: Any) -> None:
    from metastore._classes import construct  # attrs, at first use

    scheme, fields = cls.__scheme__, cls.__fields_by_name__
    usual = {"version": Version(default(scheme), scheme), "status": cls.__lifecycle__.initial}
    made = {name: usual.get(name, each.options["_default"]) for name, each in fields.items()}
    unset = frozenset(name for name, each in fields.items() if not each.options["_init"])
    construct(cls, made, {"id": _to_id, "version": _to_version(scheme)}, unset)


def _to_version(scheme: str) -> Callable[[Any], Any]:
    def to_version(value: Any) -> Any:
        return Version(value, scheme) if isinstance(value, str) else value

    return to_version


def _to_id(value: Any) -> Any:
    return Link(value).id if isinstance(value, str) else value


def _check_unique(cls: Any) -> None:
    names = cls.__fields_by_name__
    if cls.__unique__ is None and "name" in names:
        cls.__unique__ = ("name", "version")
    unique: tuple[str, ...] = cls.__unique__ or ()
    for at, name in enumerate(unique):
        if name not in names:
            raise DeclarationError(f"{cls.__name__}: unique names the field {name!r}: {nearest(name, names)}")
        given = name in (NOT_SETTABLE - {"id"})
        if given or name in unique[:at]:
            raise DeclarationError(f"{cls.__name__}: unique cannot name {name!r}{'' if given else ' twice'}")


def _check_lived(cls: Any, lifecycle: Lifecycle) -> None:
    known = (*ACTIONS, *lifecycle.actions)
    for action, rule in cls.__rules__.items():
        if action not in known:
            raise DeclarationError(f"{cls.__name__}: rules name the action {action!r}: {nearest(str(action), known)}")
        if not isinstance(rule, str) or not rule:
            raise DeclarationError(f"{cls.__name__}: the rule of {action} is a name like add_image, got {rule!r}")
    for name, each in cls.__fields_by_name__.items():
        for state in each.spec.required_for:
            if state not in lifecycle.states:
                raise DeclarationError(
                    f"{cls.__name__}.{name}: required_for names the state {state!r}: {nearest(str(state), lifecycle.states)}"
                )
    for transition in lifecycle.transitions:
        for name in transition.clears:
            _check_cleared(cls, transition, name)


def _check_cleared(cls: Any, transition: Transition, name: str) -> None:
    found = cls.__fields_by_name__.get(name)
    if found is None or not found.spec.optional or name in root_of(cls).__fields_by_name__:
        why = (
            nearest(name, cls.__fields_by_name__) if found is None else "declare it with | None, as a field of its own"
        )
        raise DeclarationError(f"{cls.__name__}: the action {transition.action!r} clears the field {name!r}: {why}")


def spec_of(cls: Any) -> TypeSpec:
    """Return the spec of a declared type; link targets are resolved now, at first use.

    Raises DeclarationError for an abstract class, and for a link to a class that is not declared.
    """
    if "__spec__" not in cls.__dict__ or cls.__spec__ is None:
        cls.__spec__ = _type_spec(cls)
    return cls.__spec__  # type: ignore[no-any-return]


def _type_spec(cls: Any) -> TypeSpec:
    if cls.__type_name__ is None:
        raise DeclarationError(f"{cls.__name__} is abstract: give it a type_name to store its artifacts")
    specs = tuple(_final_spec(cls, each) for each in cls.__fields_by_name__.values())
    own = cls.__dict__.get("__doc__")
    words = (own or "").strip()
    return TypeSpec(cls.__type_name__, specs, cls.__unique__ or (), words, cls.__lifecycle__, cls.__rules__)


def shared_spec(cls: Any) -> TypeSpec:
    """Return a spec of what all types of an abstract class have in common: by it a query over them is read."""
    return TypeSpec(cls.__name__, tuple(_final_spec(cls, each) for each in cls.__fields_by_name__.values()))


def _final_spec(cls: Any, given: Any) -> FieldSpec:
    spec: FieldSpec = given.spec
    if spec.name == "version":
        return evolve(spec, scheme=cls.__scheme__, required=False, default=default(cls.__scheme__))
    if spec.name == "status":
        lived = cls.__lifecycle__
        return evolve(spec, choices=tuple(lived.states), default=lived.initial)
    if spec.links is None:
        return spec
    target = link_target(given).__type_name__ or ""
    link = evolve(spec.links, target=target)
    return evolve(spec, target=target) if spec.kind == "link" else evolve(spec, item=link)
