"""Getting a token: from Keystone, from tempauth, or as it is given; and a new one when the old is refused."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from metastore_swift._faults import PASSING
from metastore_swift._secret import Secret
from metastore_swift._settings import Settings, is_address
from metastore_swift._wire import Reply

__all__ = ["Access", "Ask", "Login", "Tries", "entrance"]


@dataclass(frozen=True)
class Access:
    """Where an account is and the token that opens it."""

    storage_url: str
    token: Secret

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.storage_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def prefix(self) -> str:
        """The account's path, such as ``/v1/AUTH_test``."""
        return urlsplit(self.storage_url).path


class Ask(Protocol):
    """Asks an authentication server once or as often as it takes; returns the headers of its answer."""

    def __call__(self, url: str, headers: Mapping[str, str], /) -> Mapping[str, str]:
        """Ask for ``url``."""


class Login:
    """One account's access, shared by all threads of a process.

    Whoever finds a token refused says so with `access(refused=…)`; the first to say it logs in again, the others get what
    it got.
    """

    def __init__(self, enter: Callable[[], Access]) -> None:
        self._enter, self._lock = enter, threading.Lock()
        self._access: Access | None = None

    def access(self, refused: Access | None = None) -> Access:
        """Return an access other than the refused one. Raises: PermissionError where none can be had."""
        with self._lock:
            if self._access is None or self._access is refused:
                self._access = None
                self._access = self._enter()
            return self._access


class Tries(Protocol):
    """Counts the tries of one thing."""

    def again(self, reply: Reply | None = None, /) -> bool:
        """Return True after a pause, or False at once where there is to be no further try."""


def entrance(settings: Settings, ask: Ask, tries: Callable[[], Tries]) -> Callable[[], Access]:
    """Return the way in that the settings describe; it is not tried yet. Each call of it logs in anew."""
    if settings.token:
        return _given(settings)
    if settings.auth_url and (settings.password or settings.application_credential_secret):
        return _keystone(settings, tries)
    if settings.auth_url and settings.user and settings.key:
        return lambda: _tempauth(settings, ask)
    return lambda: _closed("Swift wants credentials and there are none" + _HOW)


_HOW = (
    ": give token and storage_url, or auth_url with user and key (tempauth), or with Keystone's username and password or"
    " an application credential, as options or in the environment (OS_*, ST_*). A pickle carries no secret"
)

_NO_ENDPOINT = "Keystone's catalogue has no object-store for this project, region and interface; give storage_url"


def _closed(said: str) -> Access:
    raise PermissionError(errno.EACCES, said)


def _given(settings: Settings) -> Callable[[], Access]:
    entries = iter([Access(settings.storage_url, settings.token)] if settings.storage_url else [])

    def enter() -> Access:
        if not settings.storage_url:
            return _closed("A token alone does not say where the account is: give storage_url as well")
        return next(entries, None) or _closed("Swift refuses the token, and a token that was given cannot be renewed")

    return enter


def _tempauth(settings: Settings, ask: Ask) -> Access:
    headers = ask(settings.auth_url, {"X-Auth-User": settings.user, "X-Auth-Key": settings.key.reveal()})
    token, found = headers.get("X-Auth-Token", ""), headers.get("X-Storage-Url", "")
    if not token or not (found or settings.storage_url):
        raise OSError(errno.EPROTO, f"{settings.auth_url} answered without a token or without a storage URL")
    return _checked(settings, found, token)


def _checked(settings: Settings, found: Any, token: str) -> Access:
    """Return the access, unless the token would leave an https login in clear: an address must be asked for to be trusted."""
    if not is_address(settings.storage_url or found):
        said = "The login leads to storage at what is no http or https address; give storage_url"
        raise OSError(errno.EPROTO, said, settings.auth_url)
    if not settings.storage_url and settings.auth_url.startswith("https:") and not found.startswith("https:"):
        said = "The login is by https and leads to storage without it, where the token could be read by anyone"
        raise PermissionError(errno.EACCES, f"{said}: give storage_url if that is meant")
    return Access((settings.storage_url or found).rstrip("/"), Secret(token))


def _keystone(settings: Settings, tries: Callable[[], Tries]) -> Callable[[], Access]:
    made: list[Any] = []

    def enter() -> Access:
        try:
            from keystoneauth1 import exceptions
        except ImportError as missing:
            said = 'Keystone needs keystoneauth1: pip install "metastore-engine[keystone]"'
            raise ImportError(said) from missing
        patience = tries()
        while True:
            try:
                return _asked_of_keystone(settings, made)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - keystoneauth1 takes answers apart without looking at them
                told, passing = _told(error, exceptions), _passing(error, exceptions)
            if passing is None or not patience.again(passing):
                break
        # raised here, without the cause: its frames hold the password
        raise OSError(*told, settings.auth_url)

    return enter


def _told(error: Exception, known: Any) -> tuple[int, str]:
    """Return number and sentence for an error of keystoneauth1, or of what it did not expect."""
    if isinstance(error, known.Unauthorized | known.Forbidden):
        return errno.EACCES, "Keystone refuses these credentials"
    if isinstance(error, known.EndpointNotFound):
        return errno.ENOENT, _NO_ENDPOINT
    number = errno.ETIMEDOUT if isinstance(error, known.ConnectTimeout) else errno.ECONNABORTED
    if isinstance(error, known.ClientException):
        return number, f"No token from Keystone ({type(error).__name__})"
    said = "What answers is no Keystone, or not by version 3 of its API"
    return errno.EPROTO, f"{said} ({type(error).__name__}); is auth_url its address?"


def _passing(error: Any, known: Any) -> Reply | None:
    """Return the answer behind an error that may pass, one without a status where none came; ``None`` for what stays."""
    if isinstance(error, known.HttpError):
        headers = {} if error.response is None else error.response.headers
        return Reply(error.http_status, headers) if error.http_status in PASSING else None
    broken = (known.ConnectFailure, known.ConnectTimeout, known.UnknownConnectionError)
    return Reply(0, {}) if isinstance(error, broken) else None


def _asked_of_keystone(settings: Settings, made: list[Any]) -> Access:
    if made:
        made[0].invalidate()
    else:
        made.append(_session(settings))
    session = made[0]
    token = session.get_token()
    asked = {"service_type": "object-store", "interface": settings.interface}
    found = settings.storage_url or session.get_endpoint(region_name=settings.region_name or None, **asked)
    if not token or not found:
        raise FileNotFoundError(errno.ENOENT, _NO_ENDPOINT, settings.auth_url)
    return _checked(settings, found, token)


def _session(settings: Settings) -> Any:
    from keystoneauth1 import session
    from keystoneauth1.identity import v3

    trusted = settings.ca_file or os.environ.get("REQUESTS_CA_BUNDLE", "")
    verify: bool | str = (trusted or True) if settings.verify else False
    # keystoneauth1 would send the password again to wherever a redirect leads
    made = session.Session(auth=_plugin(settings, v3), verify=verify, timeout=settings.timeout, redirect=False)
    made.session.trust_env = False  # requests would send it to a proxy that the environment names
    return made


def _plugin(settings: Settings, v3: Any) -> Any:
    url = settings.auth_url if settings.auth_url.endswith("/v3") else f"{settings.auth_url}/v3"
    who = {"user_id": settings.user_id} if settings.user_id else _in_domain(settings, "user")
    if settings.application_credential_secret:
        secret = settings.application_credential_secret.reveal()
        if settings.application_credential_id:
            named = {"application_credential_id": settings.application_credential_id}
        else:
            named = {"application_credential_name": settings.application_credential_name, **who}
        return v3.ApplicationCredential(url, application_credential_secret=secret, **named)
    project = {"project_id": settings.project_id} if settings.project_id else _in_domain(settings, "project")
    return v3.Password(url, password=settings.password.reveal(), **who, **project)


def _in_domain(settings: Settings, kind: str) -> dict[str, str]:
    """Return the name of a user or project and its domain, which is the one called default unless another is given."""
    field = "username" if kind == "user" else "project_name"
    name = getattr(settings, field) or (settings.user if kind == "user" else "")
    if domain := getattr(settings, f"{kind}_domain_name"):
        return {field: name, f"{kind}_domain_name": domain}
    return {field: name, f"{kind}_domain_id": getattr(settings, f"{kind}_domain_id") or "default"}
