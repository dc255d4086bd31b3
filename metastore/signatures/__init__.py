"""Signatures: who vouches for an artifact's bytes and for what is said of them, and whom a catalogue believes.

What is signed is an in-toto Statement in a DSSE envelope; the cryptography is securesystemslib's, imported at use (extra ``signatures``).
How it is used is told in ``docs/signatures.md``.
"""

from metastore.signatures._kept import Signature
from metastore.signatures._key import Key
from metastore.signatures._signer import Signer
from metastore.signatures._trust import Demand, Trust
from metastore.signatures._verdict import Verdict

__all__ = ["Demand", "Key", "Signature", "Signer", "Trust", "Verdict"]
