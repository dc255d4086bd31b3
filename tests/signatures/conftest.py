"""Keys and envelopes made by cryptography and by hand, as an oracle that shares no code with the engine; and catalogues over a folder."""

import base64
import contextlib
import hashlib
import json
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from metastore import Artifact, Blob, Catalog, Field, field
from metastore.signatures import Demand, Key, Signer, Trust
from metastore.stores import Store, Stores

STATEMENTS = "application/vnd.in-toto+json"
PSS = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
BODY = b"the bytes of a disk"
USUAL = Demand(fields=["os"])


class Disk(Artifact, type_name="disks"):
    data: Field[Blob | None] = field(default=None)
    files: Field[dict[str, Blob]] = field(factory=dict)
    os: Field[str] = field(default="debian")
    cores: Field[int] = field(default=1)
    note: Field[str | None] = field(default=None, mutable=True)


class Hand:
    """A key pair, and what it makes without the engine."""

    def __init__(self, private):
        self.private = private
        self.pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.how = {
            ed25519.Ed25519PrivateKey: (),
            ec.EllipticCurvePrivateKey: (ec.ECDSA(SHA256()),),
            rsa.RSAPrivateKey: (PSS, SHA256()),
        }[next(kind for kind in (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey) if isinstance(private, kind))]  # fmt: skip

    def key(self, name="release", **said):
        return Key(name, self.public, **said)

    def mark(self, data):
        return self.private.sign(data, *self.how)

    def checks(self, mark, data):
        self.private.public_key().verify(mark, data, *self.how)

    def envelope(self, payload, keyid=None, kind=STATEMENTS):
        mark = {"sig": b64(self.mark(pae(kind, payload)))}
        return {
            "payload": b64(payload),
            "payloadType": kind,
            "signatures": [mark | ({"keyid": keyid} if keyid else {})],
        }

    def signer(self, folder):
        path = folder / "key.pem"
        path.write_text(self.pem)
        return Signer.from_file(path)


def b64(data):
    return base64.b64encode(data).decode()


def pae(kind, payload):
    """The bytes that are signed, by the words of the specification."""
    return b" ".join([b"DSSEv1", str(len(kind.encode())).encode(), kind.encode(), str(len(payload)).encode(), payload])


def statement(digests, kind="https://slsa.dev/provenance/v1", name="debian.qcow2"):
    """A statement such as others make of a file."""
    subject = [{"name": name, "digest": digests}]
    said = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": kind,
        "predicate": {"by": 1},
    }
    return json.dumps(said).encode()


def bundle(inside, material=None):
    """A sigstore bundle as cosign writes it."""
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    material = {"publicKey": {"hint": "x"}, "tlogEntries": []} if material is None else material
    return json.dumps({"mediaType": kind, "verificationMaterial": material, **inside})


def message(hand, body=BODY):
    """What cosign sign-blob makes: the signature of the bytes themselves."""
    told = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(body).digest())}
    return {"messageSignature": {"messageDigest": told, "signature": b64(hand.mark(body))}}


@pytest.fixture(scope="session")
def keys():
    """A key of each kind, and another one."""
    return SimpleNamespace(
        release=Hand(ed25519.Ed25519PrivateKey.generate()),
        other=Hand(ed25519.Ed25519PrivateKey.generate()),
        ecdsa=Hand(ec.generate_private_key(ec.SECP256R1())),
        rsa=Hand(rsa.generate_private_key(65537, 2048)),
    )


@pytest.fixture
def hands():
    """What makes envelopes, statements and bundles by hand."""
    return SimpleNamespace(
        Disk=Disk,
        BODY=BODY,
        b64=b64,
        pae=pae,
        statement=statement,
        bundle=bundle,
        message=message,
        STATEMENTS=STATEMENTS,
    )


@pytest.fixture
def signers(keys, tmp_path):
    """A signer of each key, read from a file."""
    return SimpleNamespace(**{name: hand.signer(tmp_path) for name, hand in vars(keys).items()})


@pytest.fixture(params=["memory:", "sqlite:///{}/c.db"])
def opened(request, tmp_path):
    """A function that opens the one catalogue of the test over a folder, with a trust and what its disks demand."""
    (tmp_path / "store").mkdir()
    (tmp_path / "archive").mkdir()
    stores = Stores(Store(name, f"file://{tmp_path}/{name}") for name in ("store", "archive"))
    with contextlib.ExitStack() as open_ones:

        def make(*keys, demand=USUAL, **said):
            trust = Trust(keys, {} if demand is None else {"disks": demand})
            return open_ones.enter_context(
                Catalog.open(request.param.format(tmp_path), types=[Disk], stores=stores, trust=trust, **said)
            )

        yield make


@pytest.fixture
def catalog(opened, keys):
    """A catalogue that trusts the release key, and whose disks must be signed."""
    return opened(keys.release.key())


@pytest.fixture
def disk(catalog):
    """A disk with bytes, not signed."""
    return catalog.upload(catalog.add(Disk(name="root", version="1.0.0")), "data", BODY, "store")


@pytest.fixture
def signed(catalog, disk, signers):
    """A disk that is signed."""
    catalog.sign(disk, signers.release)
    return disk
