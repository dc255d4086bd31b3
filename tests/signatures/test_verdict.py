"""What signatures are worth: against envelopes made by hand, whatever is changed in them, and what others make (S18)."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metastore import Blob, Link
from metastore._data import evolve
from metastore.errors import ValidationError
from metastore.signatures import Demand, Signature, Trust
from metastore.signatures._envelope import read
from metastore.signatures._statement import Content, part_of, statement_of
from metastore.signatures._verdict import Case, judged

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KINDS = ("release", "ecdsa", "rsa")
SLSA = "https://slsa.dev/provenance/v1"
USUAL = Demand(predicates=[SLSA])
FIELDS = {"os": "debian", "cores": 1, "live": True, "ratio": 1.5, "labels": ["a", "b"], "more": {"a": {"b": None}}}
SHA, BODY_SHA = hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"the bytes of a disk").hexdigest()
CONTENT = Content(
    {"type": "disks", "id": str(uuid4()), "name": "root", "version": "1.0.0"},
    {**FIELDS, "name": "root", "note": None},
    {
        "data": Blob(size=0, digests={"sha256": SHA, "sha512": "1" * 128, "md5": "2" * 32}),
        'files["a"]': Blob(sha256="3" * 64),
    },
)
ONE_BLOB = evolve(CONTENT, blobs={"data": Blob(size=19, sha256=BODY_SHA)})
TWO_BLOBS = evolve(CONTENT, blobs={"data": Blob(size=19, sha256=BODY_SHA), "boot": Blob(sha256="4" * 64)})


def verdicts(text, key, content=CONTENT, demand=USUAL, now=NOW):
    kept = Signature(artifact=Link(UUID(content.identity["id"])), envelope=text)
    parts = tuple(content.blobs) if demand.every_blob else ()
    return judged([kept], Case(content, Trust([key]), demand, now, parts))


def result(text, key, content=CONTENT, **said):
    [verdict] = verdicts(text, key, content, **said)
    return verdict.result


@pytest.fixture(params=KINDS)
def hand(request, keys):
    return getattr(keys, request.param)


@pytest.fixture(params=KINDS)
def made(request, keys, signers):
    """A key, and an envelope that the engine made by it."""
    return getattr(keys, request.param), getattr(signers, request.param).envelope(statement_of(CONTENT, FIELDS))


# the same as by hand


def test_what_is_signed_here_is_found_right_by_hand(made, hands):
    hand, text = made
    envelope = json.loads(text)
    [mark] = envelope["signatures"]
    hand.checks(base64.b64decode(mark["sig"]), hands.pae(hands.STATEMENTS, base64.b64decode(envelope["payload"])))
    assert mark["keyid"] == hand.key().keyid


@pytest.mark.parametrize("named", [True, False])
def test_what_is_signed_by_hand_is_found_right_here(hand, named):
    text = json.dumps(hand.envelope(statement_of(CONTENT, FIELDS), hand.key().keyid if named else None), indent=1)
    assert result(text, hand.key()) == "good"


def test_a_statement_is_what_in_toto_says_in_canonical_json():
    made = statement_of(CONTENT, ["os"])
    subject = [
        {"digest": {"sha256": SHA, "sha512": "1" * 128}, "name": "data"},
        {"digest": {"sha256": "3" * 64}, "name": 'files["a"]'},
    ]
    predicate = {"fields": {"os": "debian"}, **CONTENT.identity}
    whole = {"_type": "https://in-toto.io/Statement/v1", "predicate": predicate, "predicateType": "urn:metastore-engine:artifact:v1", "subject": subject}  # fmt: skip
    assert made.decode() == json.dumps(whole, sort_keys=True, separators=(",", ":"))


def test_a_key_is_named_as_tuf_names_it(keys):
    raw = base64.b64decode("".join(keys.release.public.splitlines()[1:-1]))[-32:].hex()
    told = {"keytype": "ed25519", "keyval": {"public": raw}, "scheme": "ed25519"}
    assert keys.release.key().keyid == hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()


@given(st.text(), st.text(), st.text())
def test_no_two_parts_have_one_name(one, other, field):
    assert (part_of("files", one) == part_of("files", other)) == (one == other)
    assert part_of("files", one) != "files"


# whatever is changed


def is_good(text, key, content=CONTENT):
    return any(each.good for each in verdicts(text, key, content))


@pytest.mark.parametrize("flip", [1, 2, 32])
def test_no_envelope_with_a_changed_byte_is_good(made, flip):
    hand, text = made
    key = hand.key()
    assert is_good(text, key)
    for at in range(len(text)):
        assert not is_good(f"{text[:at]}{chr(ord(text[at]) ^ flip)}{text[at + 1 :]}", key), at


@given(st.sampled_from(KINDS), st.integers(0, 9_999), st.integers(1, 255))
def test_no_envelope_of_any_key_with_a_changed_byte_is_good(keys, kind, at, flip):
    hand = getattr(keys, kind)
    text = json.dumps(hand.envelope(statement_of(CONTENT, FIELDS), hand.key().keyid), separators=(",", ":"))
    changed = bytearray(text.encode())
    changed[at % len(changed)] ^= flip  # not drawn up to the length: of some keys each signature has another
    assert not is_good(changed.decode(errors="surrogateescape"), hand.key())


@given(st.data())
def test_nothing_with_a_part_cut_out_or_doubled_is_good_by_another_payload(keys, data):
    hand, whole = keys.release, statement_of(CONTENT, FIELDS)
    text = json.dumps(hand.envelope(whole, hand.key().keyid))
    at, to = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    for changed in (text[:at] + text[to:], text[:to] + text[at:to] + text[to:]):
        assert not is_good(changed, hand.key()) or read(changed).payload == whole


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS)


@given(st.sampled_from(sorted(FIELDS)), JSON)
def test_no_other_value_of_a_signed_field_is_good(keys, name, value):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    same = json.dumps(value, sort_keys=True) == json.dumps(FIELDS[name], sort_keys=True)
    changed = evolve(CONTENT, values={**CONTENT.values, name: value})
    assert is_good(text, keys.release.key(), changed) == same


@pytest.mark.parametrize(("name", "value"), [("live", 1), ("cores", True), ("cores", 1.0), ("cores", "1"), ("labels", ["b", "a"]), ("more", {"a": {}})])  # fmt: skip
def test_a_value_of_another_type_or_order_is_another_value(keys, name, value):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    assert result(text, keys.release.key(), evolve(CONTENT, values={**CONTENT.values, name: value})) == "differs"


@given(st.sampled_from(["type", "id", "name", "version"]), st.text())
def test_no_other_identity_is_good(keys, name, value):
    assume(value != CONTENT.identity[name])
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    changed = evolve(CONTENT, identity={**CONTENT.identity, name: value})
    [verdict] = judged([Signature(artifact=Link(uuid4()), envelope=text)], Case(changed, Trust([keys.release.key()]), Demand(), NOW, tuple(CONTENT.blobs)))  # fmt: skip
    assert (verdict.result, verdict.about) == ("differs", name)


@given(st.sampled_from(["sha256", "sha512"]), st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_no_other_digest_is_good(keys, algorithm, at, digit):
    blob, text = CONTENT.blobs["data"], json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    digest = blob.digests[algorithm]
    other = f"{digest[:at]}{digit}{digest[at + 1 :]}"
    changed = evolve(CONTENT, blobs={**CONTENT.blobs, "data": blob.evolve(digests={**blob.digests, algorithm: other})})
    assert is_good(text, keys.release.key(), changed) == (other == digest)


def test_the_url_the_size_and_the_weak_digests_of_a_blob_may_change(keys):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    blob = CONTENT.blobs["data"].evolve(locations=["s3://other/place"], digests={"sha256": SHA, "md5": "9" * 32})
    assert is_good(text, keys.release.key(), evolve(CONTENT, blobs={**CONTENT.blobs, "data": blob}))


@pytest.mark.parametrize(
    ("moment", "word"),
    [(NOW - timedelta(microseconds=1), "early"), (NOW, "good"), (NOW + timedelta(days=1, microseconds=-1), "good"), (NOW + timedelta(days=1), "expired")],
)  # fmt: skip
def test_a_key_counts_from_its_first_moment_and_not_at_its_last(keys, moment, word):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    key = keys.release.key(not_before=NOW, not_after=NOW + timedelta(days=1))
    assert result(text, key, now=moment) == word


# texts that are no signatures, or two in one


def spelt(keys, **changes):
    return json.dumps({**keys.release.envelope(statement_of(CONTENT, FIELDS)), **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"signatures": []}, {"signatures": {}}, {"signatures": [{"sig": "YQ=="}] * 65}, {"signatures": [[]]}, {"signatures": [{"keyid": "a"}]}, {"payload": ""},
        {"signatures": [{"sig": "YQ==", "keyid": 1}]}, {"signatures": [{"sig": "YQ==", "cert": "x"}]}, {"more": 1},
        {"signatures": [{"sig": "YR=="}]}, {"signatures": [{"sig": "YQ"}]}, {"signatures": [{"sig": "YQ==\n"}]}, {"signatures": [{"sig": "_w=="}]},
    ],
)  # fmt: skip
def test_what_is_not_spelt_as_an_envelope_is_malformed(keys, change):
    assert result(spelt(keys, **change), keys.release.key()) == "malformed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":"1.0.0"', b'"version":"0","version":"1.0.0"'), (b'"cores":1,', b'"cores":NaN,'), (b"Statement/v1", b"Statement/v0.1"),
        (b'"name":"data"', b'"name":1'), (b'"fields":{', b'"field":{'), (b'"id":', b'"uuid":'), (b'files[\\"a\\"]', b"data"), (b'"os":"debian"', b'"os":"\\ud800"'),
    ],
)  # fmt: skip
def test_a_signed_statement_that_can_be_read_in_two_ways_is_malformed(keys, old, new):
    made = statement_of(CONTENT, FIELDS)
    assert old in made
    assert result(json.dumps(keys.release.envelope(made.replace(old, new))), keys.release.key()) == "malformed"


@pytest.mark.parametrize("payload", [b"no json", b"[]", b"{}", '{"_type": "é"}'.encode("utf-16"), b'{"_type": "https://in-toto.io/Statement/v1", "subject": []}', b'{"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": "a"}}]}', b"[" * 100_000])  # fmt: skip
def test_what_was_signed_and_is_no_statement_is_malformed(keys, payload):
    [verdict] = verdicts(json.dumps(keys.release.envelope(payload)), keys.release.key())
    assert (verdict.result, verdict.key) == ("malformed", "release")


def test_a_text_that_nests_without_end_is_malformed(keys):
    assert result("[" * 100_000, keys.release.key()) == "malformed"


# what others make


def test_an_attestation_of_others_covers_the_one_blob_that_it_names(keys, hands):
    text = hands.bundle({"dsseEnvelope": keys.ecdsa.envelope(hands.statement({"sha256": BODY_SHA}))})
    [verdict] = verdicts(text, keys.ecdsa.key(), ONE_BLOB)
    assert (verdict.result, verdict.covers) == ("good", ("data",))


@pytest.mark.parametrize(
    "digests", [{"sha256": SHA}, {"sha512": "1" * 128}, {"md5": "0" * 32}, {"gitCommit": BODY_SHA}]
)
def test_an_attestation_of_other_bytes_is_not_of_the_artifact(keys, hands, digests):
    text = json.dumps(keys.release.envelope(hands.statement(digests)))
    [verdict] = verdicts(text, keys.release.key(), ONE_BLOB)
    assert (verdict.result, verdict.about) == ("differs", "data")
    assert f"found sha256:{BODY_SHA}" in verdict.reason


def test_an_attestation_covers_no_field(keys, hands):
    text = json.dumps(keys.release.envelope(hands.statement({"sha256": BODY_SHA})))
    assert result(text, keys.release.key(), ONE_BLOB, demand=Demand(fields=["name"], predicates=[SLSA])) == "uncovered"


@pytest.mark.parametrize("predicates", [[], ["https://slsa.dev/verification_summary/v1"], [SLSA.upper()]])
def test_an_attestation_counts_only_if_its_kind_is_named(keys, hands, predicates):
    text = json.dumps(keys.release.envelope(hands.statement({"sha256": BODY_SHA})))
    [verdict] = verdicts(text, keys.release.key(), ONE_BLOB, demand=Demand(predicates=predicates))
    assert (verdict.result, verdict.key, verdict.good) == ("attests", "release", False)
    assert f"of the kind {SLSA}, which does not count here" in verdict.reason


def test_an_attestation_that_names_no_place_covers_nothing_of_several_blobs(keys, hands):
    text = json.dumps(keys.release.envelope(hands.statement({"sha256": BODY_SHA})))
    [verdict] = verdicts(text, keys.release.key(), TWO_BLOBS, demand=Demand(every_blob=False, predicates=[SLSA]))
    assert (verdict.result, "not that they lie there, beside others" in verdict.reason) == ("differs", True)


@pytest.mark.parametrize(("name", "word"), [("data", "good"), ("boot", "differs")])
def test_an_attestation_that_names_places_covers_them(keys, hands, name, word):
    text = json.dumps(keys.release.envelope(hands.statement({"sha256": BODY_SHA}, name=name)))
    assert result(text, keys.release.key(), TWO_BLOBS, demand=Demand(every_blob=False, predicates=[SLSA])) == word


def test_an_attestation_of_the_former_version_counts_too(keys, hands):
    former = hands.statement({"sha256": BODY_SHA}).replace(b"Statement/v1", b"Statement/v0.1")
    assert result(json.dumps(keys.release.envelope(former)), keys.release.key(), ONE_BLOB) == "good"


def test_no_reason_holds_what_moves_a_terminal(keys):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, FIELDS)))
    changed = evolve(CONTENT, values={**CONTENT.values, "os": "\x1b[2J\x9b2J\n"})
    [verdict] = verdicts(text, keys.release.key(), changed)
    assert verdict.reason.endswith(r"expected debian, found \x1b[2J\x9b2J\x0a")
    [verdict] = verdicts(spelt(keys, **{"\x1b": 1}), keys.release.key())
    assert verdict.reason.isprintable()


def test_the_signature_of_a_blob_covers_the_one_blob(keys, hands):
    [verdict] = verdicts(hands.bundle(hands.message(keys.ecdsa)), keys.ecdsa.key(), ONE_BLOB)
    assert (verdict.result, verdict.key, verdict.covers) == ("good", "release", ("data",))


def test_the_signature_of_a_blob_covers_nothing_of_several(keys, hands):
    text = hands.bundle(hands.message(keys.ecdsa))
    assert result(text, keys.ecdsa.key(), TWO_BLOBS, demand=Demand(every_blob=False, predicates=[SLSA])) == "differs"


def test_the_signature_of_other_bytes_is_not_of_the_artifact(keys, hands):
    text = hands.bundle(hands.message(keys.ecdsa, b"other bytes"))
    assert result(text, keys.ecdsa.key(), ONE_BLOB) == "differs"


def test_a_digest_that_was_not_signed_is_not_believed(keys, hands):
    inside = hands.message(keys.ecdsa, b"other bytes")
    inside["messageSignature"]["messageDigest"]["digest"] = hands.b64(bytes.fromhex(BODY_SHA))
    assert result(hands.bundle(inside), keys.ecdsa.key(), ONE_BLOB) == "unknown"


@pytest.mark.parametrize("kind", ["release", "rsa"])
def test_a_key_that_signs_no_digests_cannot_be_asked_of_one(keys, hands, kind):
    hand = getattr(keys, kind)
    [verdict] = verdicts(hands.bundle(hands.message(hand)), hand.key(), ONE_BLOB)
    assert (verdict.result, "of ECDSA on P-256" in verdict.reason) == ("unknown", True)


@pytest.mark.parametrize(
    "material", [{"certificate": {"rawBytes": "AA=="}}, {"x509CertificateChain": {"certificates": []}}]
)
@pytest.mark.parametrize("inside", ["message", "envelope"])
def test_a_keyless_bundle_is_carried_and_never_good(keys, hands, material, inside):
    whole = {"message": hands.message(keys.ecdsa), "envelope": {"dsseEnvelope": keys.ecdsa.envelope(statement_of(ONE_BLOB, FIELDS))}}[inside]  # fmt: skip
    [verdict] = verdicts(hands.bundle(whole, material), keys.ecdsa.key(), ONE_BLOB)
    assert (verdict.result, verdict.key, verdict.covers) == ("keyless", None, ())
    assert "needs a trusted root" in verdict.reason


@pytest.mark.parametrize(
    ("material", "more"),
    [({}, {}), ({"publicKey": {}, "certificate": {}}, {}), ([], {}), ({"publicKey": {}}, {"more": 1}), ({"publicKey": {}}, {"dsseEnvelope": {}})],
)  # fmt: skip
def test_a_bundle_that_tells_no_key_or_two_things_is_none(keys, hands, material, more):
    with pytest.raises(ValidationError):
        read(hands.bundle({**hands.message(keys.ecdsa), **more}, material))


@pytest.mark.parametrize(("word", "value"), [("algorithm", "SHA2_512"), ("digest", "AAAA"), ("digest", 1), ("more", 1)])
def test_a_signed_digest_is_a_sha256(keys, hands, word, value):
    inside = hands.message(keys.ecdsa)
    inside["messageSignature"]["messageDigest"][word] = value
    assert result(hands.bundle(inside), keys.ecdsa.key(), ONE_BLOB) == "malformed"


def test_what_is_demanded_and_not_there_is_told_as_perhaps_misspelt(keys):
    text = json.dumps(keys.release.envelope(statement_of(CONTENT, ["os"])))
    for name, remedy in (("cores", "sign it anew"), ("croes", "there is no croes to sign")):
        [verdict] = verdicts(text, keys.release.key(), demand=Demand(fields=[name]))
        assert (verdict.result, verdict.about, remedy in verdict.reason) == ("uncovered", name, True)
