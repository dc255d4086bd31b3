"""TempURLs: addresses that are allowed one verb on one object for some time, signed with a key of the account or container.

Source: Swift's documentation of its TempURL middleware. The signature is an HMAC over verb, expiry and the path, the
path unquoted.
"""

from __future__ import annotations

import errno
import hmac
import math
import time
from urllib.parse import unquote, urlencode

from metastore_swift._account import Account
from metastore_swift._names import joined, quoted
from metastore_swift._secret import Secret
from metastore_swift._wire import Reply

__all__ = ["signed"]

VERBS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
DIGESTS = frozenset({"sha256", "sha512"})


def signed(
    account: Account, container: str, name: str, *, method: str, expiration: float, digest: str = "sha256",
    filename: str | None = None, now: float | None = None,
) -> str:  # fmt: skip
    """Return a URL that may be used with ``method`` for ``expiration`` seconds, by anyone who has it.

    The key is the option ``temp_url_key``, else the account's, else the container's. Raises: PermissionError where there
    is no key or it is not shown to these credentials; ValueError for another verb or digest, or a time that is not positive.
    """
    if method not in VERBS or digest not in DIGESTS or not 0 < expiration < math.inf:
        said = f"one of {', '.join(sorted(VERBS))}, for a positive number of seconds, by {' or '.join(sorted(DIGESTS))}"
        raise ValueError(f"A URL is signed for {said}; asked for {method!r}, {expiration!r}, {digest!r}.")
    access, place = account.access, quoted(container, name)
    expires = int((time.time() if now is None else now) + expiration)
    message = f"{method}\n{expires}\n{unquote(access.prefix)}/{container}/{name}"
    signature = hmac.new(_key(account, container).reveal().encode(), message.encode(), digest).hexdigest()
    query = {"temp_url_sig": signature, "temp_url_expires": str(expires)} | ({"filename": filename} if filename else {})
    return f"{access.base}{access.prefix}{place}?{urlencode(query)}"


def _key(account: Account, container: str) -> Secret:
    if account.settings.temp_url_key:
        return account.settings.temp_url_key
    found = _told(account.ask("HEAD", accept=(401, 403)), "Account") or _told(
        account.ask("HEAD", container), "Container"
    )
    if not found:
        said = "No TempURL key: set X-Account-Meta-Temp-URL-Key or X-Container-Meta-Temp-URL-Key, or give temp_url_key"
        raise PermissionError(errno.EACCES, said, joined(container, ""))
    return Secret(found)


def _told(reply: Reply, owner: str) -> str:
    names = (f"X-{owner}-Meta-Temp-URL-Key", f"X-{owner}-Meta-Temp-URL-Key-2")
    return next((text for name in names if (text := reply.header(name))), "")
