"""A signature over the bytes and the metadata that matters; wrong, expired and revoked key, stripped signature (S18)."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from metastore import Blob, Catalog, Principal, Protection, Protections, Record
from metastore.errors import (
    ForbiddenError,
    NotFoundError,
    SignatureError,
    StaleRevisionError,
    UnknownFieldError,
    UnsignedError,
    UnverifiedError,
    ValidationError,
)
from metastore.signatures import Demand, Key, Signature, Signer, Trust

ANN = Principal(user="ann", project="p1", roles=["member", "reader"])
BOB = Principal(user="bob", project="p2", roles=["member", "reader"])
HOUR = timedelta(hours=1)


def results(catalog, artifact):
    return [each.result for each in catalog.signatures(artifact)]


def changes(catalog):
    """Return every change with its commit, in order."""
    return [(each.commit, change) for each in catalog._backend.history(0, 1000) for change in each.changes]


def refused(catalog, artifact, words):
    """Whether its bytes are not handed out, for a reason in these words."""
    with pytest.raises(SignatureError, match=words):
        catalog.open_blob(artifact, "data")
    return True


def test_what_is_signed_as_its_type_demands_is_handed_out(catalog, signed, hands):
    assert catalog.open_blob(signed, "data").read() == hands.BODY
    [verdict] = catalog.signatures(signed)
    assert (verdict.good, verdict.key) == (True, "release")
    assert verdict.covers == ("type", "id", "name", "version", "cores", "os", "data")


def test_a_signature_moves_no_revision_and_has_a_history(catalog, signed):
    assert catalog.get(type(signed), signed.id).revision == signed.revision
    [kept] = catalog.find(Signature)
    assert [each.kind for _, each in changes(catalog) if each.id == kept.id.bytes] == ["add"]


def test_a_stripped_signature_is_missed(catalog, signed):
    [verdict] = catalog.signatures(signed)
    catalog.drop_signature(signed, verdict.signature)
    with pytest.raises(UnsignedError, match="is not signed, and must be by 1 trusted key"):
        catalog.open_blob(signed, "data")


def test_the_key_of_a_stranger_does_not_count(catalog, disk, signers):
    catalog.sign(disk, signers.other)
    assert results(catalog, disk) == ["unknown"]
    assert refused(catalog, disk, "by the key [0-9a-f]{64}, which is not trusted")


def test_a_key_that_is_trusted_for_other_types_does_not_count(opened, keys, signers, hands):
    catalog = opened(keys.release.key(), keys.other.key("other"), demand=Demand(keys=["release"]))
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    catalog.sign(disk, signers.other)
    assert (results(catalog, disk), refused(catalog, disk, "other is not trusted for disks")) == (["wrong"], True)


@pytest.mark.parametrize(
    ("said", "result", "words"),
    [
        ({"not_after": datetime.now(UTC) - HOUR}, "expired", "the key release expired on 20"),
        ({"not_before": datetime.now(UTC) + HOUR}, "early", "the key release counts from 20"),
        ({"revoked": True}, "revoked", "the key release was revoked"),
        ({"revoked": True, "not_after": datetime.now(UTC) + HOUR}, "revoked", "revoked"),
    ],
)
def test_a_key_counts_in_its_time_and_until_it_is_revoked(opened, keys, signers, hands, said, result, words):
    catalog = opened(keys.release.key(**said))
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    catalog.sign(disk, signers.release)
    assert (results(catalog, disk), refused(catalog, disk, words)) == ([result], True)


@pytest.mark.parametrize("change", [{"name": "boot"}, {"version": "2.0.0"}, {"os": "alpine"}, {"cores": 2}])
def test_what_was_changed_since_it_was_signed_is_refused(catalog, signed, change):
    changed = catalog.update(signed, **change)
    [(name, value)] = change.items()
    assert refused(catalog, changed, f"{name} is not what was signed: expected .*, found {value}")
    assert (results(catalog, changed), catalog.signatures(changed)[0].about) == (["differs"], name)


def test_what_is_not_covered_may_change(catalog, signed, hands):
    changed = catalog.update(signed, note="a word", tags=["new"])
    assert catalog.open_blob(changed, "data").read() == hands.BODY


def test_other_bytes_in_place_of_the_signed_ones_are_refused(catalog, signed):
    other = catalog.upload(catalog.detach(signed, "data"), "data", b"other bytes", "store")
    found = hashlib.sha256(b"other bytes").hexdigest()
    assert refused(catalog, other, f"data is not what was signed: expected sha256:.*, found sha256:{found}")


def test_signed_blobs_that_changed_places_are_refused(catalog, disk, signers):
    both = catalog.upload(disk, "files", b"another", "store", key="a")
    catalog.sign(both, signers.release)
    assert catalog.open_blob(both, "files", key="a").read() == b"another"
    swapped = catalog.update(both, data=both.files["a"], files={"a": both.data})
    assert refused(catalog, swapped, "data is not what was signed")
    with pytest.raises(SignatureError):
        catalog.open_blob(swapped, "files", key="a")


def test_a_signed_blob_under_another_name_of_its_folder_is_refused(catalog, disk, signers):
    both = catalog.upload(disk, "files", b"another", "store", key="a")
    catalog.sign(both, signers.release)
    moved = catalog.update(both, files={"b": both.files["a"]})
    assert refused(catalog, moved, r'files\["a"\] is not what was signed: expected sha256:.*, found nothing')


def test_a_blob_that_came_after_the_signature_is_not_covered(catalog, signed):
    more = catalog.upload(signed, "files", b"another", "store", key="a")
    assert refused(catalog, more, r'does not cover files\["a"\], as it must')


def test_where_not_every_blob_must_be_signed_the_one_handed_out_must(opened, keys, signers, hands):
    catalog = opened(keys.release.key(), demand=Demand(every_blob=False))
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    catalog.sign(disk, signers.release)
    more = catalog.upload(disk, "files", b"another", "store", key="a")
    assert catalog.open_blob(more, "data").read() == hands.BODY
    with pytest.raises(SignatureError, match="does not cover files"):
        catalog.open_blob(more, "files", key="a")


def test_a_media_type_that_was_changed_is_refused(catalog, signed):
    changed = catalog.update(signed, data=signed.data.evolve(media_type="text/html"))
    assert refused(catalog, changed, "the media type of data is not what was signed: expected nothing, found text/html")


def test_a_weaker_or_other_proof_than_the_signed_one_is_refused(catalog, disk, signers):
    strong = catalog.update(disk, data=disk.data.evolve(digests={"sha512": hashlib.sha512(b"x").hexdigest()}))
    catalog.sign(strong, signers.release)
    for digests in ({"md5": "0" * 32}, {**strong.data.digests, "sha256": "0" * 64}, {"blake3": "0" * 64}):
        strong = catalog.update(strong, data=strong.data.evolve(digests=digests))
        with pytest.raises((SignatureError, UnverifiedError)):
            catalog.open_blob(strong, "data", unverified=True)


def test_the_signature_of_another_artifact_is_refused(catalog, signed, hands):
    twin = catalog.add(hands.Disk(name="root", version="1.0.0", owner="p1"))
    twin = catalog.attach(twin, "data", signed.data.url, digests=signed.data.digests)
    catalog.add_signature(twin, catalog.signatures(signed)[0].envelope)
    assert refused(catalog, twin, "id is not what was signed")


def test_an_envelope_that_was_changed_where_it_is_kept_is_refused(catalog, signed, hands):
    [kept] = catalog.find(Signature)
    record = catalog.dump(kept)
    envelope = json.loads(record["envelope"])
    payload = catalog.statement(catalog.update(signed, os="alpine"))
    for change in ({"payload": hands.b64(payload)}, {"signatures": [{**envelope["signatures"][0], "sig": "AAAA"}]}):
        catalog.load(Signature, [{**record, "envelope": json.dumps({**envelope, **change})}])
        assert (results(catalog, signed), refused(catalog, signed, "not what the key release signed")) == (["tampered"], True)  # fmt: skip


def test_a_signature_that_was_loaded_without_its_artifact_is_told_until_that_comes(catalog, signed):
    [kept] = catalog.find(Signature)
    with Catalog.open("memory:") as other:
        other.load(Signature, [catalog.dump(kept)])
        [told] = other.check()
        assert f"metastore_signatures {kept.id}: the artifact {signed.id}, of which it is, is not here" in told
        other.load(type(signed), [catalog.dump(signed)])
        assert other.check() == []


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.oci.image.manifest.v1+json", "", "APPLICATION/vnd.in-toto+json"])  # fmt: skip
def test_what_was_signed_as_something_else_is_no_statement(catalog, disk, keys, hands, kind):
    envelope = keys.release.envelope(catalog.statement(disk), kind=kind)
    with pytest.raises(ValidationError, match=r"expected an envelope of application/vnd.in-toto\+json"):
        catalog.add_signature(disk, json.dumps(envelope))
    catalog.add_signature(disk, json.dumps({**envelope, "payloadType": hands.STATEMENTS}))
    assert results(catalog, disk) == ["unknown"]


def test_one_key_twice_is_one_key(opened, keys, signers, hands):
    catalog = opened(keys.release.key(), keys.ecdsa.key("build"), demand=Demand(2))
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    twice = keys.release.envelope(catalog.statement(disk))
    twice["signatures"] *= 2
    catalog.add_signature(disk, json.dumps(twice))
    catalog.sign(disk, signers.release, ["os"])
    assert results(catalog, disk) == ["good", "good", "good"]
    assert refused(catalog, disk, "must be signed by 2 trusted keys, and is by 1: there are no more")
    catalog.sign(disk, signers.ecdsa)
    assert catalog.open_blob(disk, "data").read() == hands.BODY


def test_two_keys_that_each_cover_half_are_not_two(opened, keys, signers, hands):
    catalog = opened(keys.release.key(), keys.other.key("build"), demand=Demand(2, ["os", "cores"]))
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    catalog.sign(disk, signers.release, ["os"])
    catalog.sign(disk, signers.other, ["cores"])
    assert results(catalog, disk) == ["uncovered", "uncovered"]
    assert refused(catalog, disk, "is by 0: it does not cover cores, as it must: sign it anew; it does not cover os")


def test_what_has_no_strong_digest_cannot_be_signed(catalog, signers, hands):
    weak = Blob("file:///nowhere/a", size=3, digests={"md5": "0" * 32})
    disk = catalog.add(hands.Disk(name="root", data=weak))
    with pytest.raises(UnverifiedError, match=r"data has no sha256, .* verify it first"):
        catalog.sign(disk, signers.release)
    assert results(catalog, disk) == []


def test_what_has_no_bytes_cannot_be_signed(catalog, signers, hands):
    with pytest.raises(ValidationError, match="has no blob, so there are no bytes to sign"):
        catalog.sign(catalog.add(hands.Disk(name="root")), signers.release)


def test_only_what_was_looked_at_is_signed(catalog, disk, signers):
    catalog.update(disk, note="changed meanwhile")
    with pytest.raises(StaleRevisionError):
        catalog.sign(disk, signers.release)


@pytest.mark.parametrize(
    ("meanwhile", "error"),
    [(Catalog.delete, NotFoundError), (lambda catalog, disk: catalog.update(disk, note="new"), StaleRevisionError)],
)
def test_what_goes_or_changes_while_it_is_signed_keeps_no_signature(catalog, disk, keys, meanwhile, error):
    class Slow(Signer):
        def envelope(self, statement):
            meanwhile(catalog, disk)
            return super().envelope(statement)

    with pytest.raises(error):
        catalog.sign(disk, Slow(CryptoSigner(keys.release.private)))
    assert list(catalog.find(Signature)) == []


def test_of_many_reasons_a_sentence_tells_the_first(catalog, disk, keys):
    for number in range(9):
        mark = {"keyid": f"{number}", "sig": "eA=="}
        catalog.add_signature(disk, json.dumps(keys.other.envelope(catalog.statement(disk)) | {"signatures": [mark]}))
    with pytest.raises(SignatureError, match=r"by the key 2, which is not trusted; and 6 more reasons") as caught:
        catalog.open_blob(disk, "data")
    assert len(caught.value.verdicts) == 9


def test_the_same_signature_is_kept_once(catalog, disk, signers):
    assert catalog.sign(disk, signers.release) == catalog.sign(disk, signers.release)


def test_an_artifact_has_a_hundred_signatures_at_most(catalog, disk, keys):
    statement = catalog.statement(disk)
    for number in range(100):
        catalog.add_signature(disk, json.dumps(keys.release.envelope(statement)) + " " * number)
    with pytest.raises(ValidationError, match="has 100 signatures, and may have no more"):
        catalog.add_signature(disk, json.dumps(keys.ecdsa.envelope(statement)))


@pytest.mark.parametrize("fields", [["sise"], ["data"], ["files"]])
def test_only_fields_that_are_there_are_signed(catalog, disk, signers, fields):
    with pytest.raises(UnknownFieldError, match=r"disks has no field .* to sign"):
        catalog.sign(disk, signers.release, fields)


@pytest.mark.parametrize("signer", [None, "key.pem", object()])
def test_only_a_signer_signs(catalog, disk, signer):
    with pytest.raises(ValidationError, match="expected a Signer, got"):
        catalog.sign(disk, signer)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\0", '{"payload": 1}', "null", "x" * (4 * 2**20 + 1)])
def test_only_what_is_a_signature_is_kept(catalog, disk, text):
    with pytest.raises(ValidationError):
        catalog.add_signature(disk, text)
    assert results(catalog, disk) == []


# every door


def doors(catalog, disk):
    return {
        "whole": lambda: catalog.open_blob(disk, "data"),
        "range": lambda: catalog.open_blob(disk, "data", start=1, stop=2),
        "unverified": lambda: catalog.open_blob(disk, "data", unverified=True),
        "download_url": lambda: catalog.download_url(disk, "data"),
        "copy_blob": lambda: catalog.copy_blob(disk, "data", "archive"),
        "view": lambda: catalog.as_(Principal(roles=["admin"])).open_blob(disk, "data"),
        "check": lambda: catalog.check_signatures(disk),
    }


@pytest.mark.parametrize("door", ["whole", "range", "unverified", "download_url", "copy_blob", "view", "check"])
def test_no_door_hands_out_what_is_not_signed(catalog, disk, door):
    with pytest.raises(UnsignedError):
        doors(catalog, disk)[door]()


def test_what_is_not_signed_is_not_mirrored(catalog, disk, signers, hands):
    [found] = catalog.mirror(hands.Disk, store="archive")
    assert (found.result, "is not signed" in found.reason) == ("refused", True)
    catalog.sign(disk, signers.release)
    assert [each.result for each in catalog.mirror(hands.Disk, store="archive")] == ["copied"]


@pytest.mark.parametrize("every_blob", [True, False])
def test_of_a_folder_what_is_not_covered_is_not_mirrored(opened, keys, signers, hands, every_blob):
    catalog = opened(keys.release.key(), demand=Demand(every_blob=every_blob))
    disk = catalog.add(hands.Disk(name="root"))
    for number in range(4):
        disk = catalog.upload(disk, "files", b"%d" % number, "store", key=str(number))
    catalog.sign(disk, signers.release)
    catalog.upload(disk, "files", b"another", "store", key="new")
    found = {each.part: each.result for each in catalog.mirror(hands.Disk, store="archive")}
    rest = "refused" if every_blob else "copied"
    assert found == {"0": rest, "1": rest, "2": rest, "3": rest, "new": "refused"}


def test_signatures_are_judged_once_for_a_folder(opened, keys, signers, hands, monkeypatch):
    catalog = opened(keys.release.key(), demand=Demand(every_blob=False))
    disk = catalog.add(hands.Disk(name="root"))
    for number in range(4):
        disk = catalog.upload(disk, "files", b"%d" % number, "store", key=str(number))
    catalog.sign(disk, signers.release)
    made, asked = Key.made, []
    monkeypatch.setattr(Key, "made", lambda self, *args: (asked.append(args), made(self, *args))[1])
    assert {each.result for each in catalog.mirror(hands.Disk, store="archive")} == {"copied"}
    assert len(asked) == 1


def test_what_is_not_signed_is_verified_all_the_same(catalog, disk):
    assert [each.result for each in catalog.verify(disk)] == ["ok"]


def test_a_type_that_demands_nothing_hands_out_its_bytes(opened, keys, hands):
    catalog = opened(keys.release.key(), demand=None)
    disk = catalog.upload(catalog.add(hands.Disk(name="root")), "data", hands.BODY, "store")
    assert catalog.open_blob(disk, "data").read() == hands.BODY
    with pytest.raises(UnsignedError):
        catalog.check_signatures(disk)


def test_without_trust_signatures_are_kept_and_told(tmp_path, signers, hands):
    with Catalog.open("memory:", types=[hands.Disk]) as catalog:
        disk = catalog.add(hands.Disk(name="root", data=Blob("file:///a", sha256="0" * 64)))
        catalog.sign(disk, signers.release)
        [verdict] = catalog.signatures(disk)
        assert (verdict.result, verdict.reason) == ("unknown", "no key is trusted here: say which by trust=…, or --trust")  # fmt: skip


def test_the_first_signature_is_seen_by_programs_that_were_there_before(tmp_path, keys, signers, hands):
    where, trust = f"sqlite:///{tmp_path}/both.db", Trust([keys.release.key()], {"disks": Demand()})
    with (
        Catalog.open(where, types=[hands.Disk]) as one,
        Catalog.open(where, types=[hands.Disk], trust=trust) as other,
    ):
        disk = one.add(hands.Disk(name="root", data=Blob("file:///a", sha256="0" * 64)))
        with pytest.raises(UnsignedError):
            other.check_signatures(disk)
        one.sign(disk, signers.release)
        other.check_signatures(disk)


# who may, and where they go


def test_who_may_update_an_artifact_may_sign_it_and_who_sees_it_sees_that(catalog, signers, hands):
    disk = catalog.upload(catalog.add(hands.Disk(name="hers", owner="p1")), "data", hands.BODY, "store")
    catalog.as_(ANN).sign(disk, signers.release)
    assert results(catalog.as_(ANN), disk) == ["good"]
    assert changes(catalog)[-1][0].actor == "ann"
    for act in (lambda view: view.signatures(disk), lambda view: view.sign(disk, signers.release), lambda view: view.check_signatures(disk)):  # fmt: skip
        with pytest.raises(NotFoundError):
            act(catalog.as_(BOB))


def test_who_only_sees_an_artifact_signs_nothing_and_takes_no_signature_away(catalog, signers, hands):
    disk = catalog.upload(catalog.add(hands.Disk(name="hers", owner="p1")), "data", hands.BODY, "store")
    kept = catalog.sign(disk, signers.release)
    public, bob = catalog.publish(catalog.activate(disk)), catalog.as_(BOB)
    assert results(bob, public) == ["good"]
    for act in (lambda: bob.sign(public, signers.other), lambda: bob.drop_signature(public, kept.id), lambda: bob.add_signature(public, kept.envelope), lambda: bob.statement(public)):  # fmt: skip
        with pytest.raises(ForbiddenError, match="artifact:update"):
            act()


def test_what_a_caller_may_not_read_no_verdict_tells(opened, keys, signers, hands):
    catalog = opened(keys.release.key(), protections=Protections([Protection("os", of="fields", read="role:admin")]))
    disk = catalog.upload(catalog.add(hands.Disk(name="hers", owner="p1", os="hush")), "data", hands.BODY, "store")
    catalog.sign(disk, signers.release)
    ann = catalog.as_(ANN)
    [verdict] = ann.signatures(disk)
    assert (verdict.good, verdict.envelope, "os" in verdict.covers, "cores" in verdict.covers) == (True, None, False, True)  # fmt: skip
    changed = catalog.update(disk, os="hush hush")
    assert "hush" not in repr(ann.signatures(changed))
    assert "os" not in ann.signatures(changed)[0].reason.split()
    with pytest.raises(SignatureError) as caught:
        ann.open_blob(changed, "data")
    assert "hush" not in f"{caught.value} {caught.value.verdicts}"
    with pytest.raises(UnknownFieldError):
        ann.statement(changed, ["os"])
    assert b"hush" not in ann.statement(changed)


@pytest.mark.parametrize("sealed", ["data", "files"])
def test_who_may_not_read_a_blob_does_not_sign_it(opened, keys, signers, hands, sealed):
    catalog = opened(keys.release.key(), protections=Protections([Protection(sealed, of="fields", read="role:admin")]))
    disk = catalog.upload(catalog.add(hands.Disk(name="hers", owner="p1")), "data", hands.BODY, "store")
    for act in (lambda: catalog.as_(ANN).statement(disk), lambda: catalog.as_(ANN).sign(disk, signers.release)):
        with pytest.raises(ForbiddenError, match="may not read all that a signature of disks covers"):
            act()


def test_who_reads_not_all_properties_signs_none(opened, keys, hands):
    sealed = Protections([Protection("secret", read="role:admin"), Protection(".*")])
    catalog = opened(keys.release.key(), protections=sealed)
    disk = catalog.add(hands.Disk(name="hers", owner="p1", properties={"secret": "hush"}))
    disk = catalog.upload(disk, "data", hands.BODY, "store")
    with pytest.raises(UnknownFieldError, match="no field 'properties' to sign"):
        catalog.as_(ANN).statement(disk, ["properties"])
    assert b"hush" in catalog.statement(disk, ["properties"])


def test_signatures_go_with_their_artifact_and_nothing_else(catalog, signed, signers, hands):
    other = catalog.upload(catalog.add(hands.Disk(name="boot")), "data", hands.BODY, "store")
    catalog.sign(other, signers.release)
    catalog.delete(signed)
    assert [each.artifact.id for each in catalog.find(Signature)] == [other.id]


def test_a_signature_of_another_artifact_is_not_dropped(catalog, signed, hands):
    other = catalog.add(hands.Disk(name="boot"))
    [verdict] = catalog.signatures(signed)
    with pytest.raises(NotFoundError, match="has no signature"):
        catalog.drop_signature(other, verdict.signature)
    assert results(catalog, signed) == ["good"]


def test_signatures_are_in_every_dump_and_hold_where_it_is_loaded(catalog, signed, hands, keys):
    records = list(catalog.dump_many(Record))
    with Catalog.open("memory:", types=[hands.Disk], trust=Trust([keys.release.key()])) as other:
        for record in sorted(records, key=lambda each: each["type"]):
            other.load(other.artifact_type(record["type"]), [record])
        assert results(other, signed) == ["good"]
        assert other.closure(signed, backwards=True) == []


def test_a_read_only_catalogue_demands_and_tells_too(tmp_path, signers, keys, hands):
    where, trust = f"sqlite:///{tmp_path}/ro.db", Trust([keys.release.key()], {"*": Demand()})
    with Catalog.open(where, types=[hands.Disk]) as catalog:
        disk = catalog.add(hands.Disk(name="root", data=Blob("file:///a", sha256="0" * 64)))
        bare = catalog.add(hands.Disk(name="bare", data=Blob("file:///a", sha256="0" * 64)))
    with Catalog.open(where, types=[hands.Disk], mode="ro", trust=trust) as catalog:
        assert results(catalog, bare) == []
    with Catalog.open(where, types=[hands.Disk]) as catalog:
        catalog.sign(disk, signers.release)
    with Catalog.open(where, types=[hands.Disk], mode="ro", trust=trust) as catalog:
        assert results(catalog, disk) == ["good"]
        with pytest.raises(UnsignedError):
            catalog.download_url(bare, "data")
