"""Urls that are opened: read in one way, or refused. What S01, S05, S06 and S08 of the security list ask of the text."""

import contextlib
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._location import check_url
from metastore.errors import UncoveredError, UnsafeUrlError, ValidationError
from metastore.stores import Store, Stores
from metastore.stores._url import _place, place_of, quoted

STORES = Stores(
    [
        Store("disk", "file:///srv/images"),
        Store("deep", "file:///srv/images/deep"),
        Store("s3", "s3://bucket/prefix"),
        Store("mirror", "https://mirror.example/pub"),
        Store("web", "https://"),
    ]
)
COVERED = {
    "file:///srv/images/a": "disk",
    "file://localhost/srv/images/a": "disk",
    "file:///srv/images/deep/a": "deep",
    "file:///srv/images/deeper/a": "disk",
    "s3://bucket/prefix/a/b": "s3",
    "https://mirror.example/pub/a": "mirror",
    "https://MIRROR.example.:443/pub/a?b=c": "mirror",
    "https://mirror.example/private/a": "web",
    "https://other.example/a": "web",
}
UNCOVERED = [
    "file:///srv/images",
    "file:///srv/image",
    "file:///srv/images2/a",
    "file:///etc/passwd",
    "s3://bucket/prefixed/a",
    "s3://bucket/a",
    "s3://other/prefix/a",
    "s3a://bucket/prefix/a",
    "http://mirror.example/pub/a",
    "https:///pub/a",
    "ftp://mirror.example/pub/a",
    "zip://a",
    "reference://a",
    "simplecache://a",
    "memory://a",
    "data://text/plain,a",
    "github://o:r@main/a",
    "local:///srv/images/a",
]
UNSAFE = [
    "file:///srv/images/../../etc/passwd",
    "file:///srv/images/./a",
    "file:///srv/images/%2e%2e/a",
    "file:///srv/images/.%2E/a",
    "file:///srv/images/%252e%252e/a",
    "file:///srv/images/%25252525252e/a",
    "file:///srv/images/..%2fa",
    "file:///srv/images/a%2fb",
    "file:///srv/images/a%5c..%5cb",
    "file:///srv/images/a%00",
    "file:///srv/images/a%0d%0ab",
    "file:///srv/images/%ff",
    "file:///srv/images//a",
    "file:///srv/images/\\\\host\\share",
    "file:///srv/images/\uff0e\uff0e/a",
    "file:///srv/images/a\uff0fb",
    "file:///srv/images/..;x=1/a",
    "file://host/srv/images/a",
    "file://\\\\host\\share/a",
    "https://mirror.example/pub/../x",
    "https://mirror.example/pub/%2e%2e/x",
    "https://mirror.example\\@evil.example/pub/a",
    "https://mirror.example@evil.example/pub/a",
    "https://mirror.example%2f@evil.example/a",
    "https://mirror.example/pub/a#b",
    "https://m\u0131rror.example/a",
    "https://\u24db\u24de\u24d2al/a",
    "https://mirror.example:0/a",
    "https://mirror.example:99999/a",
    "https://mirror.example:x/a",
    "https://[fe80::1%25eth0]/a",
    "https://mirror.example/a\r\nHost:evil",
    "s3://bu cket/prefix/a",
    "s3://bucket/prefix/../a",
    "zip://a::file:///srv/images/b.zip",
    "simplecache::file:///etc/passwd",
    "simplecache://x::s3://bucket/prefix/a",
    "file:///srv/images/a::b",
    "/srv/images/a",
    "srv/images/a",
    "\\\\host\\share\\a",
    "C:\\a",
    "",
]


@pytest.mark.parametrize("url", COVERED)
def test_a_url_is_covered_by_the_store_with_the_longest_path(url):
    assert STORES.covering(url) == COVERED[url]


@pytest.mark.parametrize("url", UNCOVERED)
def test_what_no_store_covers_is_not_opened(url):
    assert STORES.covering(url) is None
    with pytest.raises((UncoveredError, UnsafeUrlError)):
        STORES.reach(url)


@pytest.mark.parametrize("url", UNSAFE)
def test_what_could_mean_something_else_to_another_reader_is_not_opened(url):
    assert STORES.covering(url) is None
    with pytest.raises(UnsafeUrlError):
        STORES.reach(url)


@pytest.mark.parametrize("url", ["file:///srv/images/a/", "file:///srv/images/.metastore-part-00"])
def test_folders_and_unfinished_uploads_are_no_bytes(url):
    with pytest.raises(UnsafeUrlError):
        STORES.reach(url)


@pytest.mark.parametrize(
    "url", ["https://key:s3cret@mirror.example/pub/a", "s3://bucket/prefix/a?X-Amz-Signature=s3cret"]
)
def test_an_error_does_not_repeat_a_secret(url):
    with pytest.raises(UnsafeUrlError) as caught:
        STORES.reach(url)
    assert "s3cret" not in str(caught.value)


SEGMENT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12)


@given(st.lists(SEGMENT, min_size=1, max_size=3))
def test_a_key_comes_back_from_its_url_or_is_refused(segments):
    key = "/".join(segments)
    url = STORES.url("disk", key)
    try:
        place = place_of(url)
    except UnsafeUrlError:
        return
    assert place.segments == ("srv", "images", *segments)


@given(st.text(st.sampled_from("./%25eE2fF5cC\\:;?#@a\x00\uff0e"), max_size=24))
def test_no_text_below_a_store_leads_out_of_it_however_often_it_is_decoded(text):
    url = ("file:///srv/images/" + text).rstrip("/")
    if STORES.covering(url) not in {"disk", "deep"}:
        return
    for _ in range(8):
        path = url.removeprefix("file://").split("/")
        assert not {".", "..", ""} & set(path[1:])
        assert "\\" not in url
        assert "\0" not in url
        assert path[1:3] == ["srv", "images"]
        url = unquote(url)


@given(
    st.from_regex(r"(file|s3|https)://(localhost|b|\.\.|)(/(a|\.|\.\.|\.a|::|~-)?){0,4}(%2e|\\\\|é| )?", fullmatch=True)
)
def test_a_usual_url_is_read_at_a_glance_as_by_a_close_look(url):
    def read(how):
        try:
            return how(url)
        except UnsafeUrlError:
            return None

    with contextlib.suppress(ValidationError):
        check_url(url)
        assert read(place_of) == read(_place)


def test_plain_keys_stand_in_urls_as_they_are():
    assert quoted("a-b_c.d/e~f") == "a-b_c.d/e~f"
    assert quoted("a b?#%:é") == quote("a b?#%:é")
