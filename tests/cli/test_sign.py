"""sign, signatures."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

TRUST = """
[trust.keys.release]
public = { file = "release.pub" }
[trust.types.images]
fields = ["arch"]
"""


def written(path, name):
    """Write a key pair beside the catalogue."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (path.parent / f"{name}.pem").write_bytes(pem)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (path.parent / f"{name}.pub").write_bytes(public)
    return private


@pytest.fixture
def trusted(path, images, monkeypatch):
    """A trusted key, and a file of trust that the environment names."""
    (path.parent / "trust.toml").write_text(TRUST)
    monkeypatch.setenv("METASTORE_TRUST", "trust.toml")
    written(path, "release")
    return path.parent


def test_an_image_is_signed_and_told_to_be(metastore, trusted):
    assert metastore("signatures", "images", "debian@12.0.0").code == 1
    made = metastore("sign", "images", "debian@12.0.0", "--key", "release.pem")
    assert made.code == 0
    told = metastore("signatures", "images", "debian@12.0.0")
    [[ident, result, key, covers, reason]] = told.rows
    assert (told.code, ident, result, key, reason) == (0, made.out.strip(), "good", "release", "")
    assert {"type", "id", "name", "version", "arch", "disk"} <= set(json.loads(covers))


def test_json_tells_the_envelope_too(metastore, trusted):
    metastore("sign", "images", "debian@12.0.0", "--key", "release.pem")
    [line] = metastore("signatures", "images", "debian@12.0.0", "--json").json
    assert (line["result"], json.loads(line["envelope"])["payloadType"]) == ("good", "application/vnd.in-toto+json")


def test_why_it_is_not_trusted_is_told_and_the_exit_code_is_1(metastore, trusted, path):
    written(path, "other")
    metastore("sign", "images", "debian@12.0.0", "--key", "other.pem")
    told = metastore("signatures", "images", "debian@12.0.0")
    assert (told.code, told.rows[0][1]) == (1, "unknown")
    assert "must be signed by 1 trusted key, and is by 0" in told.err


def test_bytes_of_what_is_not_signed_are_not_fetched(metastore, trusted):
    failed = metastore("get", "images", "debian@12.0.0", "disk", "--output", "out")
    assert (failed.code, "is not signed" in failed.err, (trusted / "out").exists()) == (1, True, False)


def test_a_signature_is_made_elsewhere_and_kept(metastore, trusted):
    from metastore.signatures import Signer

    statement = metastore("sign", "images", "debian@12.0.0", "--statement", "--field", "arch").out
    (trusted / "signed.json").write_text(Signer.from_file("release.pem").envelope(statement.encode()))
    assert metastore("sign", "images", "debian@12.0.0", "--signed", "signed.json").code == 0
    assert metastore("signatures", "images", "debian@12.0.0").code == 0


def test_a_key_comes_from_the_environment(metastore, trusted, monkeypatch):
    monkeypatch.setenv("RELEASE", (trusted / "release.pem").read_text())
    assert metastore("sign", "images", "debian@12.0.0", "--key-env", "RELEASE").code == 0
    failed = metastore("sign", "images", "debian@12.0.0", "--key-env", "RELEASE", "--password-env", "RELEASE_PASSWORD")
    assert (failed.code, "RELEASE_PASSWORD" in failed.err) == (2, True)


def test_a_signature_is_taken_away(metastore, trusted):
    made = metastore("sign", "images", "debian@12.0.0", "--key", "release.pem")
    assert metastore("signatures", "images", "debian@12.0.0", "--drop", made.out.strip()).code == 0
    assert metastore("signatures", "images", "debian@12.0.0").rows == []


@pytest.mark.parametrize(
    "how", [(), ("--key", "a", "--key-env", "b"), ("--statement", "--key", "a"), ("more", "--key", "release.pem")]
)
def test_how_to_sign_is_said_once(metastore, trusted, how):
    assert metastore("sign", "images", "debian@12.0.0", *how).code == 2


def test_a_mistake_in_the_file_of_trust_is_told(metastore, trusted):
    (trusted / "trust.toml").write_text("[trust.key.release]\n")
    failed = metastore("find", "images", "--trust", "trust.toml")
    assert (failed.code, "the file of trust trust.toml: trust has no 'key'" in failed.err) == (2, True)


def test_what_is_no_text_is_no_envelope(metastore, trusted):
    (trusted / "signed.json").write_bytes(b"\xff\xfe\x00")
    failed = metastore("sign", "images", "debian@12.0.0", "--signed", "signed.json")
    assert (failed.code, "expected signed.json as an envelope or a bundle" in failed.err) == (1, True)


def test_signatures_are_exported_and_imported(metastore, trusted):
    metastore("sign", "images", "debian@12.0.0", "--key", "release.pem")
    assert metastore("export", "all.jsonl").code == 0
    assert metastore("import", "all.jsonl", "--catalog", "other.db").code == 0
    assert metastore("signatures", "images", "debian@12.0.0", "--catalog", "other.db").code == 0
