"""Names as a file system has them, as text that a catalogue can hold."""

from __future__ import annotations

import os

__all__ = ["readable"]


def readable(name: str) -> tuple[str, bool]:
    r"""Return the name as valid Unicode, and whether it had to be escaped.

    A name with bytes that are no UTF-8 is percent-escaped: those bytes and ``%`` as ``%XX``, so that nothing is
    lost. Any other name stays as it is.

    >>> readable("100%.txt"), readable("caf\udce9%.txt")
    (('100%.txt', False), ('caf%E9%25.txt', True))
    """
    if not any("\ud800" <= sign <= "\udfff" for sign in name):
        return name, False
    return "".join(_escaped(sign) for sign in name), True


def _escaped(sign: str) -> str:
    if sign != "%" and not "\ud800" <= sign <= "\udfff":
        return sign
    return "".join(f"%{byte:02X}" for byte in os.fsencode(sign))
