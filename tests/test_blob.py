"""Blob: a reference and its proofs; what it refuses to carry (S10, S15)."""

import copy
import pickle  # noqa: TID251 - instances must survive it, the catalogue never uses it

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Blob, Location
from metastore._blob import DIGEST_LENGTHS, combined
from metastore.errors import ValidationError

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

SECRET_URLS = [
    "s3://key:secret@bucket/x",
    "https://user@host/x",
    "https://host/x?X-Amz-Signature=abc",
    "https://host/x?a=1&temp_url_sig=abc",
    "https://host/x?token=",
    "https://key%3Asecret%40host/x",
    "zip://a::https://key:secret@host/x",
    "https://host/x#access_token=abc",
    "https://host/x?a=1;sig=abc",
    "https://host/x?X-Amz-Security-Token=abc",
    "https://host/x?X-Auth-Token=abc",
    "https://host/x?api-key=abc",
    "https://host/x?to=https%3A%2F%2Fs3.example%2Fx%3FX-Amz-Signature%3Dabc",
    "https://host/x?a=b%2526sig%253Dabc",
]
BAD_URLS = [
    "",
    "images/disk",
    "/images/disk",
    "s3:/x",
    "S3://x/y",
    "://x",
    "s3://a b",
    "s3://a\0",
    "s3://\ud800",
    "s3://a\n",
    "s3://a\x85",
    "s3://a\u2028",
    "s3://" + "x" * 2044,
]
BAD_DIGESTS = [
    ("sha256", "00"),
    ("sha256", "g" * 64),
    ("sha256", None),
    ("sha256", b"0" * 64),
    ("md6", "0" * 32),
    ("", ""),
]


def test_a_blob_says_where_its_bytes_lie_and_what_they_are():
    blob = Blob("s3://a/b", size=5, media_type="application/gzip", sha256=SHA)
    assert (blob.url, blob.urls, blob.size, blob.media_type, blob.sha256) == (
        "s3://a/b",
        ("s3://a/b",),
        5,
        "application/gzip",
        SHA,
    )


def test_a_blob_may_know_nothing_yet():
    blob = Blob()
    assert (blob.url, blob.urls, blob.size, blob.media_type, blob.sha256, blob.digests, blob.locations) == (
        None,
        (),
        None,
        None,
        None,
        {},
        (),
    )
    assert blob.to_plain() == {}


def test_locations_are_tried_in_order_of_priority_and_kept_once():
    blob = Blob("s3://a/1", locations=["s3://a/2", Location("s3://a/0", priority=-1), "s3://a/1"])
    assert blob.urls == ("s3://a/0", "s3://a/1", "s3://a/2")
    assert blob.url == "s3://a/0"


def test_old_digests_without_sha256_are_welcome():
    blob = Blob(digests={"sha512": "AB" * 64, "md5": "0" * 32})
    assert blob.digests == {"md5": "0" * 32, "sha512": "ab" * 64}
    assert blob.sha256 is None


@pytest.mark.parametrize("url", SECRET_URLS)
def test_a_url_with_a_secret_is_refused_and_not_repeated(url):
    with pytest.raises(ValidationError) as caught:
        Blob(url)
    assert "abc" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValidationError):
        Blob(url)
    with pytest.raises(ValidationError):
        Blob(locations=[Location(url)])


@pytest.mark.parametrize(("algorithm", "digest"), BAD_DIGESTS)
def test_what_is_no_digest_is_refused(algorithm, digest):
    with pytest.raises(ValidationError):
        Blob(digests={algorithm: digest})


def test_a_misspelt_algorithm_gets_the_nearest_one():
    with pytest.raises(ValidationError, match="did you mean 'sha256'"):
        Blob(digests={"sha_256": SHA})


@pytest.mark.parametrize("size", [-1, 1.0, "1", True, 2**63])
def test_a_size_is_a_whole_number_of_bytes(size):
    with pytest.raises(ValidationError):
        Blob(size=size)


@pytest.mark.parametrize("media_type", ["", " ", "a\0b", "a\nb", 1, "x" * 256])
def test_a_media_type_is_a_short_printable_text(media_type):
    with pytest.raises(ValidationError):
        Blob(media_type=media_type)


@pytest.mark.parametrize("priority", ["1", 1.0, True, None])
def test_a_priority_is_an_int(priority):
    with pytest.raises(ValidationError):
        Blob(locations=[Location("s3://a/b", priority)])


def test_a_blob_cannot_be_changed():
    blob = Blob(size=1)
    with pytest.raises(AttributeError):
        blob.size = 2
    with pytest.raises(AttributeError):
        blob.colour = "red"
    with pytest.raises(AttributeError):
        del blob._plain


def test_its_digests_belong_to_the_caller():
    blob = Blob(sha256=SHA)
    blob.digests.clear()
    assert blob.sha256 == SHA


def test_blobs_are_equal_by_content_and_locations():
    one, same = (
        Blob("s3://a/b", size=1, sha256=SHA),
        Blob(locations=["s3://a/b"], digests={"sha256": SHA.upper()}, size=1),
    )
    assert one == same
    assert len({one, same, Blob("s3://a/c", size=1, sha256=SHA)}) == 2
    assert one != {"size": 1}


def test_a_blob_survives_copies_and_pickles():
    blob = Blob("s3://a/b", size=1, sha256=SHA, media_type="a/b")
    assert [
        copy.copy(blob),
        copy.deepcopy(blob),
        pickle.loads(pickle.dumps(blob)),
        Blob.from_plain(blob.to_plain()),
    ] == [blob] * 4


def test_its_repr_shows_what_is_known():
    assert repr(Blob("s3://a/b", size=1)) == "Blob('s3://a/b', size=1, unverified)"


@given(st.sampled_from(sorted(DIGEST_LENGTHS)), st.data())
def test_a_digest_has_exactly_its_length_of_hex_digits(algorithm, data):
    text = data.draw(
        st.text("0123456789abcdefG", min_size=30, max_size=130)
        | st.text("0123456789abcdef", min_size=DIGEST_LENGTHS[algorithm], max_size=DIGEST_LENGTHS[algorithm])
    )
    fits = len(text) == DIGEST_LENGTHS[algorithm] and "G" not in text
    try:
        assert (Blob(digests={algorithm: text}).digests == {algorithm: text}) is fits
    except ValidationError:
        assert not fits


PLACE = Location("s3://a/b", 3, "images-1", "disabled", {"zone": "a", "n": [1, None]})
BAD_PLACES = [
    {"store": ""},
    {"store": "a/b"},
    {"store": 1},
    {"state": "actve"},
    {"state": None},
    {"priority": 2**63},
    {"metadata": None},
    {"metadata": {1: "a"}},
    {"metadata": {"a": float("nan")}},
    {"metadata": {"a": b"raw"}},
    {"metadata": {"a": "\0"}},
    {"metadata": {"a": "\ud800"}},
    {"metadata": {"a": "x" * 5000}},
    {"metadata": {"Secret-Key": "abc"}},
    {"metadata": {"X-Amz-Security-Token": "abc"}},
    {"metadata": {"X-Auth-Token": "abc"}},
]


def test_a_location_comes_back_as_it_was_stored():
    blob = Blob(locations=[PLACE, "s3://c/d"])
    assert Blob.from_plain(blob.to_plain()).locations == (Location("s3://c/d"), PLACE)
    assert len({PLACE, Location("s3://a/b")}) == 2


def test_what_is_usual_of_a_location_is_not_stored():
    assert Blob("s3://a/b").to_plain() == {"locations": [{"url": "s3://a/b"}]}


@pytest.mark.parametrize("wrong", BAD_PLACES)
def test_what_no_location_may_be_is_refused_and_not_repeated(wrong):
    with pytest.raises(ValidationError) as caught:
        Blob(locations=[Location("s3://a/b", **wrong)])
    assert "abc" not in str(caught.value)


def test_locations_are_a_set_by_their_urls():
    again = Location("s3://a/b", 9)
    assert Blob(locations=[PLACE, again]).locations == (PLACE,)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha384", "blake3"])
def test_a_strong_digest_is_proof(algorithm):
    text = "ab" * (DIGEST_LENGTHS[algorithm] // 2)
    assert Blob(digests={algorithm: text, "md5": "0" * 32}).proof == (algorithm, text)


@pytest.mark.parametrize("digests", [{}, {"md5": "0" * 32}, {"sha1": "0" * 40, "sha224": "0" * 56}])
def test_weak_digests_leave_a_blob_unverified(digests):
    blob = Blob("s3://a/b", digests=digests)
    assert blob.proof is None
    assert "unverified" in repr(blob)


def test_a_blob_evolves_into_another():
    blob = Blob("s3://a/b", size=1, media_type="a/b", digests={"md5": "0" * 32})
    assert blob.evolve(digests={"sha256": SHA}, media_type=None) == Blob("s3://a/b", size=1, sha256=SHA)
    with pytest.raises(ValidationError, match="did you mean 'size'"):
        blob.evolve(sise=1)


PART = st.builds(lambda size, text: Blob(size=size, sha256=text * 64), st.integers(0, 3), st.sampled_from("ab"))
PARTS = st.dictionaries(st.text(max_size=3), PART, max_size=3)


@given(PARTS, PARTS)
def test_parts_have_one_identity_exactly_when_names_and_bytes_are_the_same(one, other):
    facts = [{name: (part.size, part.sha256) for name, part in each.items()} for each in (one, other)]
    assert (combined(one) == combined(other)) is (facts[0] == facts[1])


@pytest.mark.parametrize("part", [Blob(size=1), Blob(size=1, digests={"md5": "0" * 32}), Blob(sha256=SHA), "x"])
def test_parts_that_are_unverified_have_no_identity(part):
    with pytest.raises(ValidationError):
        combined({"disk": part})
