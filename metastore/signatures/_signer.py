"""Signer: a private key, in the hands of who signs. It is read from a file or the environment, and shown to nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

from metastore._json import encode
from metastore.errors import ValidationError
from metastore.signatures._envelope import PAYLOAD
from metastore.signatures._key import KNOWN, LONGEST, library, too_short

if TYPE_CHECKING:
    from securesystemslib.signer import Signer as Signs  # pyright: ignore[reportPrivateImportUsage] - it has no __all__

    from metastore.stores import FromEnv, FromFile, Secret

    Password = Secret | FromEnv | FromFile

__all__ = ["Signer"]


class Signer:
    """What makes signatures: a private key in PEM, or any signer of securesystemslib, as of a hardware module or a key service.

    The key is kept in memory only: it is in no catalogue, message, ``repr`` or pickle.
    """

    __slots__ = ("_signs",)

    def __init__(self, signs: Signs) -> None:
        if not isinstance(signs, library().Signer):
            raise ValidationError(
                f"expected a signer of securesystemslib, got {type(signs).__name__}: see Signer.from_file"
            )
        self._signs = signs

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], password: Password | None = None) -> Signer:
        """Return the signer of a PEM file, which ``password`` opens if it is encrypted. Raises ValidationError, MissingExtraError."""

        def read() -> bytes:
            with open(path, "rb") as file:
                return file.read(LONGEST)

        return cls._read(f"the file {os.fspath(path)}", read, password)

    @classmethod
    def from_env(cls, name: str, password: Password | None = None) -> Signer:
        """Return the signer of the PEM in a variable of the environment. Raises as `from_file`."""

        def read() -> bytes:
            if name not in os.environ:
                raise OSError(0, "it is not set")
            return os.environ[name].encode()

        return cls._read(f"the variable {name}", read, password)

    @classmethod
    def _read(cls, where: str, read: Any, password: Password | None) -> Signer:
        made = _signs(read, password)
        if isinstance(made, str):  # raised here, where no frame of the traceback ever held the key
            raise ValidationError(f"expected {where} to hold a private key in PEM, of {KNOWN}: {made}")
        return cls(made)

    @property
    def keyid(self) -> str:
        """How its envelopes name the key."""
        return str(self._signs.public_key.keyid)

    @property
    def public(self) -> str:
        """The public half in PEM, for those who are to trust it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = self._signs.public_key
        text = str(key.keyval["public"])
        if key.keytype != "ed25519":
            return text
        raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
        return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def envelope(self, statement: bytes) -> str:
        """Return a DSSE envelope of a statement, as canonical JSON."""
        from securesystemslib.dsse import Envelope

        made = Envelope(statement, PAYLOAD, {})
        made.sign(self._signs)
        return encode(made.to_dict())

    def __repr__(self) -> str:
        return f"Signer({self._signs.public_key.scheme} {self.keyid[:12]}…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is never pickled; read it from its file where it is used")


def _signs(read: Any, password: Password | None) -> Signs | str:
    """Return the signer, or why there is none."""
    known = library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = None if password is None else password.reveal()
    if secret is not None and not secret.text:
        return "the password that was given for it is empty"
    try:
        private = load_pem_private_key(read(), None if secret is None else secret.text.encode())
        if too_short(private):
            return "it is one of RSA that is shorter"
        made: Signs = known.CryptoSigner(private)
    except OSError as broken:
        return broken.strerror or "it cannot be read"
    except TypeError:
        return (
            "it is encrypted, and no password was given"
            if password is None
            else "it is not encrypted, and a password was given"
        )
    except (ValueError, UnsupportedAlgorithm):
        return "it is none" if password is None else "it is none, or the password is wrong"
    return made
