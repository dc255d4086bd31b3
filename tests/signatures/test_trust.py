"""Whom a catalogue believes, from Python and from files; and private keys, which show nowhere (S09)."""

import pickle  # noqa: TID251 - that it is refused
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import CryptoSigner

from metastore import Catalog
from metastore.errors import MissingExtraError, TrustFileError, ValidationError
from metastore.signatures import Demand, Key, Signer, Trust
from metastore.stores import FromEnv, Secret


def public_of(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def write(tmp_path, keys):
    """A function that writes a file of trust, in which PEM stands for the release key."""

    def written(text):
        path = tmp_path / "trust.toml"
        path.write_text(text.replace("PEM", f"'''\n{keys.release.public}'''"))
        (tmp_path / "release.pem").write_text(keys.release.public)
        return path

    return written


RELEASE = "[trust.keys.release]\npublic = PEM\n"


def test_a_file_says_whom_to_believe_and_what_types_demand(write, tmp_path, keys):
    text = (
        '[stores.images]\nurl = "file:///srv"\n[trust.keys.release]\npublic = { file = "FILE" }\nnot_before = 2026-01-01T00:00:00Z\n'
        "not_after = 2027-01-01T02:00:00+02:00\nrevoked = true\n[trust.types.disks]\nthreshold = 1\nfields = ['os']\n"
        "every_blob = false\nkeys = ['release']\npredicates = ['https://slsa.dev/provenance/v1']\n[trust.types.\"*\"]\n"
    )
    trust = Trust.from_file(write(text.replace("FILE", str(tmp_path / "release.pem"))))
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert trust.keys == {"release": keys.release.key(not_before=first, not_after=last, revoked=True)}
    assert trust.demand("disks") == Demand(
        1, ["os"], every_blob=False, keys=["release"], predicates=["https://slsa.dev/provenance/v1"]
    )
    assert trust.demand("others") == Demand()


def test_the_file_of_a_key_is_found_from_the_folder_of_the_file_that_names_it(write, tmp_path, keys, monkeypatch):
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path / "etc")
    found = Trust.from_file(write('[trust.keys.release]\npublic = { file = "release.pem" }\n'))
    assert found.keys == {"release": keys.release.key()}


def test_a_type_that_is_not_named_demands_nothing(write):
    assert Trust.from_file(write(RELEASE)).demand("disks") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"tables like \[trust.keys.release\]"),
        ("[truts.keys.a]\npublic = PEM", r"tables like \[trust.keys.release\]"),
        ("[trust.kyes.a]\npublic = PEM", "trust has no 'kyes': did you mean 'keys'"),
        ("[trust.keys]\na = 1", r"tables like \[trust.keys.NAME\]"),
        ("[trust.keys.a]\npublik = PEM", "trust.keys.a has no 'publik': did you mean 'public'"),
        ("[trust.keys.a]\nrevoked = true", "the key a: expected public as PEM"),
        ("[trust.keys.a]\npublic = 'x'", "the key a: expected a public key in PEM"),
        ("[trust.keys.a]\npublic = { file = '/nowhere' }", "the key a: its file /nowhere cannot be read: No such file"),
        ("[trust.keys.a]\npublic = PEM\nrevoked = 'no'", "the key a: expected revoked as true or false"),
        ("[trust.keys.a]\npublic = PEM\nnot_after = 2027-01-01T00:00:00", "the key a: expected not_after as a time with its zone"),
        ("[trust.keys.a]\npublic = PEM\nnot_before = '2027'", "the key a: expected not_before as a time with its zone"),
        ("[trust.keys.a]\npublic = PEM\nnot_before = 2027-01-01T00:00:00Z\nnot_after = 2027-01-01T00:00:00Z", "the key a: it expires on 2027-01-01T00:00:00Z, and counts only from"),
        ("[trust.keys.a]\npublic = PEM\n[trust.keys.b]\npublic = PEM", "the key b is the key a"),
        ("[trust.keys.a]\npublic = PEM\nnot_after = 0001-01-01T00:00:00+23:00", "the key a: expected not_after between the years 1 and 9999 of UTC"),
        ("[trust.keys.a]\npublic = PEM\nnot_after = 9999-12-31T23:59:59-10:00", "the key a: expected not_after between the years 1 and 9999 of UTC"),
        ("x = " + "[" * 100_000, "it is no TOML"),
        ("[trust.types.disks]", "disks demands 1 key, and there are 0"),
        (f"{RELEASE}[trust.types.Disks]", "expected the name of a type"),
        (f"{RELEASE}[trust.types.disks]\nthreshold = 2", "disks demands 2 keys, and there are 1"),
        (f"{RELEASE}[trust.types.disks]\nthreshold = 0", "the type disks: expected threshold as a whole number, 1 or more"),
        (f"{RELEASE}[trust.types.disks]\nthreshold = true", "expected threshold as a whole number"),
        (f"{RELEASE}[trust.types.disks]\nfields = 'os'", "expected fields as a list of names"),
        (f"{RELEASE}[trust.types.disks]\nfields = [1]", "expected fields as a list of names"),
        (f"{RELEASE}[trust.types.disks]\nevery_blob = 1", "expected every_blob as true or false"),
        (f"{RELEASE}[trust.types.disks]\nkeys = ['relaese']", "no key is named 'relaese': did you mean 'release'"),
        (f"{RELEASE}[trust.types.disks]\nfeilds = []", "trust.types.disks has no 'feilds': did you mean 'fields'"),
        ("[trust", "it is no TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_told_and_nothing_of_it_holds(write, text, words):
    path = write(text)
    with pytest.raises(TrustFileError, match=words) as caught:
        Trust.from_file(path)
    assert str(caught.value).startswith(f"the file of trust {path}: ")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TrustFileError, match="cannot be read: No such file"):
        Trust.from_file(tmp_path / "nowhere.toml")


def test_weak_and_strange_keys_are_not_trusted(keys):
    weak, strange = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1())
    for public in (public_of(weak), public_of(strange), keys.release.pem, "", "x"):
        with pytest.raises(TrustFileError, match="the key a: expected"):
            Key("a", public)


def test_a_key_that_is_too_short_is_told_by_its_length():
    with pytest.raises(TrustFileError, match="RSA of 2048 bits or more, got rsa of 1024 bits"):
        Key("a", public_of(rsa.generate_private_key(65537, 1024)))


@pytest.mark.parametrize("name", ["", "x" * 64, "a\nb", None])
def test_a_key_has_a_name(keys, name):
    with pytest.raises(TrustFileError, match="expected the name of a key"):
        Key(name, keys.release.public)


@pytest.mark.parametrize("given", [([1], {}), ([], {"disks": 1}), ([], {1: Demand()})])
def test_what_is_no_key_or_demand_is_refused(given):
    with pytest.raises(TrustFileError):
        Trust(*given)


def test_trust_is_pickled_with_all_that_it_says(keys):
    trust = pickle.loads(pickle.dumps(Trust([keys.release.key()], {"disks": Demand()})))
    assert (trust.keys, trust.types) == ({"release": keys.release.key()}, {"disks": Demand()})


# private keys


def test_a_signer_is_read_from_a_file_or_the_environment(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("RELEASE_KEY", keys.release.pem)
    one, other = keys.release.signer(tmp_path), Signer.from_env("RELEASE_KEY")
    assert one.keyid == other.keyid == keys.release.key().keyid
    assert (one.public, keys.ecdsa.signer(tmp_path).public) == (keys.release.public, keys.ecdsa.public)


def test_any_signer_of_securesystemslib_signs(keys):
    made = Signer(CryptoSigner(keys.rsa.private))
    assert made.public == keys.rsa.public


@pytest.fixture
def sealed(keys, tmp_path):
    """The file of an encrypted key, whose password is opensesame."""
    path = tmp_path / "sealed.pem"
    path.write_bytes(keys.release.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"opensesame")))  # fmt: skip
    return path


def test_an_encrypted_key_is_opened_by_its_password(keys, sealed, monkeypatch):
    monkeypatch.setenv("PASSWORD", "opensesame")
    for password in (FromEnv("PASSWORD"), Secret("opensesame")):
        assert Signer.from_file(sealed, password).keyid == keys.release.key().keyid


@pytest.mark.parametrize(
    ("password", "words"), [(None, "it is encrypted, and no password was given"), (Secret("wrong"), "or the password is wrong"), (FromEnv("EMPTY"), "the password that was given for it is empty")]
)  # fmt: skip
def test_an_encrypted_key_is_not_opened_otherwise(sealed, password, words, monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ValidationError, match=words):
        Signer.from_file(sealed, password)


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_told(tmp_path, text, monkeypatch):
    monkeypatch.setenv("KEY", text)
    (tmp_path / "key.pem").write_text(text)
    for act in (lambda: Signer.from_env("KEY"), lambda: Signer.from_file(tmp_path / "key.pem")):
        with pytest.raises(ValidationError, match=r"to hold a private key in PEM, .*: it is none"):
            act()


def test_a_public_key_signs_nothing(keys, tmp_path):
    (tmp_path / "key.pem").write_text(keys.release.public)
    with pytest.raises(ValidationError, match="it is none"):
        Signer.from_file(tmp_path / "key.pem")
    with pytest.raises(ValidationError, match="No such file"):
        Signer.from_file(tmp_path / "nowhere.pem")


def test_a_key_that_nobody_would_believe_signs_nothing(tmp_path):
    weak = rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(weak)
    with pytest.raises(ValidationError, match="RSA of 2048 bits or more: it is one of RSA that is shorter"):
        Signer.from_file(tmp_path / "key.pem")


def test_a_variable_that_is_not_set_is_told():
    with pytest.raises(ValidationError, match=r"the variable NOWHERE to hold a private key .*: it is not set"):
        Signer.from_env("NOWHERE")


def test_a_password_for_a_key_that_is_not_encrypted_is_told(keys, tmp_path):
    keys.release.signer(tmp_path)
    with pytest.raises(ValidationError, match="it is not encrypted, and a password was given"):
        Signer.from_file(tmp_path / "key.pem", Secret("opensesame"))


def test_only_a_signer_of_securesystemslib_is_taken(keys):
    with pytest.raises(ValidationError, match="expected a signer of securesystemslib"):
        Signer(keys.release.private)


def test_a_private_key_shows_nowhere(keys, signers, tmp_path, hands, monkeypatch):
    secret = keys.release.pem.splitlines()[1]
    signer = signers.release
    assert secret not in f"{signer!r} {signer} {signer.public}"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(signer)
    with Catalog.open(f"{tmp_path}/c.db", types=[hands.Disk], stores=None) as catalog:
        from metastore import Blob

        catalog.sign(catalog.add(hands.Disk(name="a", data=Blob("file:///a", sha256="0" * 64))), signer)
    assert not any(secret.encode() in path.read_bytes() for path in Path(tmp_path).glob("c.db*"))


def test_a_broken_private_key_shows_in_no_traceback(keys, tmp_path, monkeypatch):
    broken = keys.release.pem.replace("MC", "XX", 1)
    monkeypatch.setenv("KEY", broken)
    (tmp_path / "key.pem").write_text(broken)
    for act in (lambda: Signer.from_env("KEY"), lambda: Signer.from_file(tmp_path / "key.pem")):
        with pytest.raises(ValidationError) as caught:
            act()
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        frames = [frame for frame in told.stack if frame.filename != __file__]
        assert {frame.name for frame in frames} >= {"_read"}
        assert not any("PRIVATE KEY" in str(frame.locals) for frame in frames)


def test_without_the_extra_it_is_said_what_to_install(keys, signers, monkeypatch):
    for name in ("securesystemslib", "cryptography"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            for act in (keys.release.key, lambda: Signer.from_env("KEY")):
                with pytest.raises(MissingExtraError, match=r"pip install 'metastore-engine\[signatures\]'"):
                    act()
