"""What the servers say, in the words of `metastore.errors`.

A table per family: PostgreSQL's by SQLSTATE, MariaDB's by number. What a server says while a connection is made
comes from libpq as text only, so it is told by its words.
"""

from __future__ import annotations

from metastore.errors import (
    BackendError,
    BusyError,
    CatalogUrlError,
    ConflictError,
    DamagedError,
    LoginError,
    MetastoreError,
    QueryError,
    ReadOnlyError,
    RetryError,
    SchemaConflictError,
    StorageFullError,
    UnreachableError,
)
from metastore_sql._settings import Settings

__all__ = ["CONNECTING", "MYSQL", "POSTGRESQL", "Sentence", "said", "told_by_words"]

Sentence = tuple[type[MetastoreError], str]
"""A class of ours, and its sentence about ``{address}``, ``{user}``, ``{database}`` and what the server said (``{text}``)."""

_UNDONE: Sentence = (RetryError, "{address} undid the whole transaction because of others ({text}); do it again")
_BUSY: Sentence = (
    BusyError,
    "other writers kept {address} busy for longer than {timeout:g} s; try again, or open with a longer timeout",
)
_CROWDED: Sentence = (
    BusyError,
    "{address} takes no more connections ({text}); give it more, or open with a smaller pool_size",
)
_LOST: Sentence = (UnreachableError, "the connection to {address} broke off ({text}); is the server running?")
_FULL: Sentence = (
    StorageFullError,
    "the disk of {address} is full ({text}); nothing of this transaction was written, make room",
)
_MEMORY: Sentence = (
    BackendError,
    "{address} has not enough memory for that ({text}); ask for less at once, or give it more",
)
_STANDBY: Sentence = (
    ReadOnlyError,
    "{address} takes no writes ({text}); open it with mode='ro', or give the address of a server, or a role, that may write",
)
_FORBIDDEN: Sentence = (
    LoginError,
    "{address} does not let {user} do that ({text}); grant the role its tables, or open with mode='ro' if it shall only read",
)
_PASSWORD: Sentence = (
    LoginError,
    "{address} refuses {user} ({text}); look at the user and the password: in the address, METASTORE_PASSWORD or METASTORE_PASSWORD_FILE",
)
_NO_DATABASE: Sentence = (CatalogUrlError, "{address}: there is no database {database}; make it first ({text})")
_LACKS: Sentence = (DamagedError, "{address} lacks a table of the catalogue ({text}); restore it from a copy")
_MIGRATED: Sentence = (
    SchemaConflictError,
    "another program migrated the type meanwhile ({text} on {address}); this one needs the newer declaration",
)
_STRANGER: Sentence = (
    SchemaConflictError,
    "{address} has a table that is not the catalogue's ({text}); give the catalogue a schema or a database of its own",
)
_DAMAGED: Sentence = (DamagedError, "{address} says that its data are damaged ({text}); restore it from a copy")
_BEYOND: Sentence = (
    QueryError,
    "a number, or a figure of several, is beyond what 64 bits hold ({text}); narrow the query",
)
_DEEP: Sentence = (QueryError, "the query is too much for {address} to answer ({text}); ask in parts")
_TAKEN: Sentence = (ConflictError, "somebody else was first ({text} on {address}); read again and decide")
_ENDED: Sentence = (BackendError, "{address} broke the statement off ({text}); look at its time limits, or try again")
_WIDE: Sentence = (BackendError, "{address} cannot keep a type like that ({text}); declare fewer or shorter fields")
_TLS: Sentence = (
    UnreachableError,
    "no safe connection to {address} ({text}); look at sslmode, sslrootcert and at the server's certificate",
)

POSTGRESQL: dict[str, Sentence] = {
    "40001": _UNDONE,
    "40P01": _UNDONE,
    "0A000": _UNDONE,  # cached plan must not change result type: another program widened a table
    "26000": _UNDONE,  # a pooler in between gave us another server, which knows no statement of ours
    "55P03": _BUSY,
    "53300": _CROWDED,
    "57014": _ENDED,
    "25006": _STANDBY,
    "42501": _FORBIDDEN,
    "28000": _PASSWORD,
    "28P01": _PASSWORD,
    "3D000": _NO_DATABASE,
    "42P01": _LACKS,
    "3F000": _LACKS,
    "42703": _MIGRATED,
    "42P07": _STRANGER,
    "22003": _BEYOND,
    "54001": _DEEP,
    "53100": _FULL,
    "53200": _MEMORY,
    "54011": _WIDE,
    "54000": _WIDE,
    "23505": _TAKEN,
    "23503": _TAKEN,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}

CONNECTING: tuple[tuple[str, Sentence], ...] = (
    ("password authentication failed", _PASSWORD),
    ("no password supplied", _PASSWORD),
    ("authentication failed", _PASSWORD),
    ("pg_hba.conf", _PASSWORD),
    ("is not permitted to log in", _PASSWORD),
    ("permission denied for database", _FORBIDDEN),
    ("too many", _CROWDED),
    ("remaining connection slots", _CROWDED),
    ('database "', _NO_DATABASE),
    ('role "', _PASSWORD),
)
"""By words of what libpq's text has after ``FATAL:`` (the server) or ``fe_sendauth:`` (itself), the first that is in it."""

_NUMBERS: dict[Sentence, tuple[int, ...]] = {
    _UNDONE: (1213, 1020, 1637, 1613, 1614, 1050, 1060, 1061, 1091),  # the last four: another node made it first
    _BUSY: (1205, 3572),
    _CROWDED: (1040, 1203, 1226),
    _LOST: (0, 1047, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013, 2014, 2055),
    _ENDED: (1317, 1969, 3024, 1028, 1180),
    _STANDBY: (1290, 1792, 1836),
    _FORBIDDEN: (1044, 1142, 1143, 1227, 1370, 1410),
    _PASSWORD: (1045, 1130, 1129, 1251, 1275, 1524, 1698, 1820, 1862, 2054, 2059, 2061, 4151),
    _NO_DATABASE: (1049, 1046),
    _LACKS: (1146, 1932),
    _MIGRATED: (1054, 1136),
    _BEYOND: (1264, 1690),
    _DEEP: (1119, 1436, 1473),
    _FULL: (1021, 1114, 1030),
    _MEMORY: (1037, 1038, 1041, 1153, 2020),
    _WIDE: (1069, 1070, 1071, 1117, 1118),
    _TAKEN: (1062, 1169, 1451, 1452, 1586),
    _DAMAGED: (1034, 1035, 1194, 1195, 1712, 1877),
    _TLS: (2026,),
}
MYSQL: dict[int, Sentence] = {number: sentence for sentence, numbers in _NUMBERS.items() for number in numbers}


def said(sentence: Sentence | None, text: str, settings: Settings) -> MetastoreError:
    """Return the error of a sentence, or of none where the server said what nobody expected. ``text`` loses the password, if it has it."""
    kind, words = sentence or (BackendError, "{address} refused ({text})")
    text = " ".join(text.split())
    if settings.password:
        text = text.replace(settings.password, "***")
    user = settings.user or "the user"
    return kind(
        words.format(
            address=settings.address, user=user, database=settings.database, timeout=settings.timeout, text=text
        )
    )


def told_by_words(text: str) -> Sentence:
    """Return what libpq's text about a connection that was not made means."""
    told = text.partition("FATAL:")[2] or text.partition("fe_sendauth:")[2]
    if told:
        return next((sentence for words, sentence in CONNECTING if words in told), _LOST)
    if any(word in text for word in ("SSL", "certificate", "TLS")):
        return _TLS
    return _LOST
