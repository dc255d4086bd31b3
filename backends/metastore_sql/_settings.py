"""Settings: what an address, the environment and the opener say about a server, read once.

A password is taken here, kept in one attribute that no ``repr`` shows, and given to the driver only. No message quotes an
address as it came: a mistake in one may stand beside the password, or inside it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast
from urllib.parse import quote, unquote

from attrs import field, frozen

from metastore.errors import CatalogUrlError, LoginError, nearest

__all__ = ["Host", "Settings", "settings_of"]

SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
DRIVERS = {"postgresql": ("psycopg",), "mysql": ("pymysql",)}
PORTS = {"postgresql": 5432, "mysql": 3306}
EXAMPLES = {
    "postgresql": "postgresql://user@host:5432/database",
    "mysql": "mysql://user@host:3306/database",
}

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z0-9]+)(\+(?P<driver>\w+))?://(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]*))(:(?P<port>\d*))?")
_SCHEMA = re.compile(r"[^\W\d][\w$]{0,62}")

_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_READS = ("latest", "any")
_TLS = {"sslmode": "mode", "sslrootcert": "root", "sslcert": "cert", "sslkey": "key", "sslcrl": "crl"}
_OTHER_NAMES = {"ssl_mode": "sslmode", "ssl_ca": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey"}
_COMMON = ("pool_size", "connect_timeout", "reads", "sslmode", "sslrootcert", "sslcert", "sslkey")
_OPTIONS = {
    "postgresql": (*_COMMON, "host", "port", "schema", "sslcrl"),
    "mysql": (*_COMMON, "unix_socket", *_OTHER_NAMES),
}


@frozen
class Host:
    """One server of an address: a name and a port, or a socket's directory (PostgreSQL) or file (MariaDB).

    An empty name is the one that the driver takes by itself.
    """

    name: str
    port: int
    socket: str = ""

    def __str__(self) -> str:
        if self.socket:
            return self.socket
        return f"{f'[{self.name}]' if ':' in self.name else self.name or 'localhost'}:{self.port}"


@frozen(kw_only=True)
class Settings:
    """How to reach and use one database; ``address`` is the text to show, without the password. Times are in seconds.

    ``pool_size`` bounds the connections of one process. ``tls`` has some of *mode*, *root*, *cert*, *key*, *crl*.
    """

    address: str
    dialect: Literal["postgresql", "mysql"]
    hosts: tuple[Host, ...]
    database: str
    user: str | None
    password: str | None = field(repr=False)
    schema: str
    mode: str
    durability: str
    timeout: float
    connect_timeout: float
    pool_size: int
    reads: Literal["latest", "any"]
    tls: Mapping[str, str]

    @property
    def read_only(self) -> bool:
        """Whether the catalogue was opened for reading only."""
        return self.mode == "ro"


def settings_of(url: str, environment: Mapping[str, str], *, mode: str, durability: str, timeout: float) -> Settings:
    """Return what an address, completed by the environment, says.

    Raises CatalogUrlError, and LoginError for a file of the password that cannot be read.

    >>> settings_of("postgresql://ann:secret@db1,db2/cat", {}, mode="rw", durability="full", timeout=60.0).address
    'postgresql://ann@db1:5432,db2:5432/cat'
    """
    scheme, login, hosts, database, options = _parts(url)
    family = SCHEMES[scheme]
    given = {**_from_environment(environment), **_options(family, options)}
    user, password = _login(login)
    every = _hosts(family, hosts, given)
    made: dict[str, Any] = {name: _READERS.get(name, _text)(name, value) for name, value in given.items()}
    return Settings(
        address=_shown(scheme, user, every, database, made),
        dialect=cast("Any", family),
        hosts=every,
        database=database,
        user=user,
        password=password or _password(environment),
        schema=made.get("schema", "public"),
        mode=mode,
        durability=durability,
        timeout=timeout,
        connect_timeout=made.get("connect_timeout", 5.0),
        pool_size=made.get("pool_size", 10),
        reads=made.get("reads", "latest"),
        tls=_tls(made),
    )


def _parts(url: str) -> tuple[str, str, str, str, str]:
    """Return scheme, login, hosts, database and options of an address as texts; a password may hold any sign but ``/``, ``?`` and ``#``."""
    found = _ADDRESS.fullmatch(url)
    if found is None or found["scheme"].lower() not in SCHEMES:
        raise CatalogUrlError(f"expected an address like {EXAMPLES['postgresql']} or {EXAMPLES['mysql']}")
    if "\0" in unquote(url):  # libpq takes what stands before it for the whole
        raise CatalogUrlError("an address holds no NUL, nor %00 for one; write it without")
    scheme, driver = found["scheme"].lower(), (found["driver"] or "").lower()
    family = SCHEMES[scheme]
    if driver and driver not in DRIVERS[family]:
        raise CatalogUrlError(f"the driver for {scheme} is {DRIVERS[family][0]}; leave +{driver} out of the address")
    place, _, options = found["rest"].partition("?")
    authority, slash, path = place.partition("/")
    database = unquote(path)
    if not slash or not path or "/" in path or "@" in path or "#" in place:
        raise CatalogUrlError(
            f"expected one database after the host, as in {EXAMPLES[family]} (write / ? # @ of a name or password as %2F %3F %23 %40)"
        )
    login, _, hosts = authority.rpartition("@")
    return scheme, login, hosts, database, options


def _login(login: str) -> tuple[str | None, str | None]:
    user, _, password = login.partition(":")
    return unquote(user) or None, unquote(password) or None


def _options(family: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, value = [unquote(each) for each in part.partition("=")[::2]]
        name = _OTHER_NAMES.get(name, name) if family == "mysql" else name
        if name == "password":
            raise CatalogUrlError(
                "a password stands after the user (user:password@host), or in METASTORE_PASSWORD or METASTORE_PASSWORD_FILE"
            )
        if name not in _OPTIONS[family]:
            raise CatalogUrlError(
                f"an address of {family} has no option {name!r:.40}: {nearest(name, _OPTIONS[family])}"
            )
        if name in found:
            raise CatalogUrlError(f"the address gives {name} twice; leave one out")
        found[name] = value
    return found


def _tls(made: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of TLS; whoever names the authority to trust means it to be asked."""
    tls = {short: made[name] for name, short in _TLS.items() if name in made}
    if "root" in tls:
        return {"mode": "verify-full", **tls}
    return {"mode": "require", **tls} if "cert" in tls else tls  # what shows a certificate is not to speak in clear


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = ("pool_size", "connect_timeout", "reads", *_TLS)
    named = {name: environment.get(f"METASTORE_{name.upper()}") for name in names}
    return {name: value for name, value in named.items() if value}


def _hosts(family: str, text: str, options: dict[str, str]) -> tuple[Host, ...]:
    """Return the servers of an address in its order; ``host``, ``port`` and ``unix_socket`` of the options are taken out."""
    port = options.pop("port", "")
    socket = options.pop("unix_socket", "")
    text = options.pop("host", "") or text
    usual = _port(port) if port else PORTS[family]
    if socket:
        return (Host("", usual, socket),)
    return tuple([_host(each, usual) for each in text.split(",")])


def _host(text: str, usual: int) -> Host:
    text = unquote(text)
    if text.startswith("/"):
        return Host("", usual, text)
    found = _HOST.fullmatch(text)
    if found is None or not _is_name(found["name"] or ""):
        raise CatalogUrlError(
            "a host of the address is none; write host, host:port, [::1]:port, and commas between several"
        )
    return Host(found["six"] or found["name"] or "", _port(found["port"]) if found["port"] else usual)


def _is_name(text: str) -> bool:
    """Whether a name of a host can be looked up; Python says so by an error of text."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return not any(sign.isspace() for sign in text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CatalogUrlError(f"expected a port from 1 to 65535, got {text!r:.20}")
    return int(text)


def _text(name: str, value: str) -> str:
    if not value:
        raise CatalogUrlError(f"the address gives {name} without a value")
    return value


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise CatalogUrlError(f"expected {name} in seconds, more than 0 and up to 3600, got {value!r:.20}")
    return seconds


def _size(name: str, value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) <= 10_000:
        raise CatalogUrlError(f"expected {name} as a whole number from 1 to 10000, got {value!r:.20}")
    return int(value)


def _one_of(*known: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in known:
            raise CatalogUrlError(f"expected {name} as one of {', '.join(known)}, got {value!r:.40}")
        return value

    return read


def _schema(name: str, value: str) -> str:
    if not _SCHEMA.fullmatch(value) or len(value.encode()) > 63 or value.startswith("pg_"):
        raise CatalogUrlError(f"expected {name} as a name of letters, digits and _, up to 63 bytes, got {value!r:.70}")
    return value


_READERS: dict[str, Callable[[str, str], Any]] = {
    "connect_timeout": _seconds,
    "pool_size": _size,
    "reads": _one_of(*_READS),
    "schema": _schema,
    "sslmode": _one_of(*_MODES),
}


def _password(environment: Mapping[str, str]) -> str | None:
    path = environment.get("METASTORE_PASSWORD_FILE")
    if environment.get("METASTORE_PASSWORD") or not path:
        return environment.get("METASTORE_PASSWORD") or None
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            password = file.read().rstrip("\r\n") or None
    except (OSError, UnicodeDecodeError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else "it is not UTF-8"
        raise LoginError(f"METASTORE_PASSWORD_FILE names {path}, which cannot be read: {reason}") from None
    if password and "\0" in password:
        raise LoginError(
            f"METASTORE_PASSWORD_FILE names {path}, which holds a NUL; write it as UTF-8, one line, and no more"
        )
    return password


def _shown(scheme: str, user: str | None, hosts: tuple[Host, ...], database: str, options: Mapping[str, Any]) -> str:
    who = f"{quote(user, safe='')}@" if user else ""
    sockets = all(each.socket for each in hosts)
    where = "" if sockets else ",".join([str(each) for each in hosts])
    schema = f"schema={options['schema']}" if "schema" in options else ""
    socket = f"{'host' if SCHEMES[scheme] == 'postgresql' else 'unix_socket'}={hosts[0].socket}" if sockets else ""
    asked = "&".join([each for each in (socket, schema) if each])
    return f"{scheme}://{who}{where}/{quote(database)}{f'?{asked}' if asked else ''}"
