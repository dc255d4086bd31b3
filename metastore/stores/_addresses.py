"""Addresses: a name is looked up once, what was checked is what is connected to, and nothing but the public net is public."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from metastore.errors import StoreUnreachableError, UnsafeUrlError

__all__ = ["connected", "is_public"]


def is_public(address: str) -> bool:
    """Return whether a numeric address is anybody's to connect to: no loopback, private, link-local or other special one.

    An IPv6 address that carries an IPv4 one is as public as that.

    >>> is_public("93.184.215.14"), is_public("::ffff:127.0.0.1"), is_public("fe80::1%eth0")
    (True, False, False)
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(_global(each) for each in _carried(found))


def _carried(address: Any) -> list[Any]:
    if address.version == 4:
        return [address]
    if address.scope_id is not None:
        return [ipaddress.ip_address("0.0.0.0")]  # noqa: S104 - stands for what is not public; nothing binds to it
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inside = [address.sixtofour, *(address.teredo or ())]  # those of NAT64 are reserved as a whole
    return [address, *(each for each in inside if each is not None)]


def _global(address: Any) -> bool:
    return bool(address.is_global) and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def connected(host: str, port: int, timeout: float, *, private: bool) -> socket.socket:
    """Return a socket to a host, connected to an address that was checked: there is no second look-up that could differ.

    Every address of the name must be public unless ``private``: one of several that is not is how a name is rebound.
    Raises UnsafeUrlError, StoreUnreachableError.
    """
    found = _addresses(host, port)
    if not private:
        for *_, address in found:
            if not is_public(str(address[0])):
                raise UnsafeUrlError(f"{host} is not connected to: its address {address[0]} is not public")
    why: OSError | None = None
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(timeout)
            made.connect(address)
            return made
        except OSError as broken:
            made.close()
            why = broken
    raise StoreUnreachableError(f"{host}:{port} does not answer: {why.strerror or type(why).__name__ if why else ''}")


def _addresses(host: str, port: int) -> list[Any]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise StoreUnreachableError(f"{host} has no address")
    return list(found)
