"""The web: addresses that are checked are those that are connected to, at every hop; bad bodies are errors (S02, S03, S07, S12, S14)."""

import hashlib
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.web import Web

from metastore import Blob
from metastore.errors import (
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoresFileError,
    StoreUnableError,
    StoreUnreachableError,
    UncoveredError,
    UnsafeUrlError,
    WrongBytesError,
)
from metastore.stores import FromEnv, Store, Stores
from metastore.stores._addresses import is_public
from metastore.stores._reading import opened

BODY = bytes(range(256)) * 5000
LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "127.8.9.10",
    "localhost", "LOCALHOST", "localhost.", "0", "0.0.0.0", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip
LINK_LOCAL = ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]", "[::ffff:169.254.169.254]",
              "[fd00:ec2::254]"]  # fmt: skip
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[fc00::1]", "[ff02::1]", "[2001:db8::1]"]  # fmt: skip


@pytest.fixture
def connected(monkeypatch):
    """Every address that a socket was to connect to; none is let through."""
    asked = []

    def refuse(self, address):
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


def blob(url, body=BODY):
    return Blob(url, size=len(body), sha256=hashlib.sha256(body).hexdigest())


def read(stores, url, body=BODY, **said):
    with opened(stores, blob(url, body), **said) as file:
        return file.read()


@pytest.mark.parametrize("host", [*LOOPBACK, *LINK_LOCAL, *PRIVATE])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_inner_address_is_connected_to(scheme, host, connected):
    stores = Stores([Store("web", f"{scheme}://")])
    with pytest.raises((UnsafeUrlError, StoreUnreachableError)):
        read(stores, f"{scheme}://{host}/a")
    assert connected == []


@given(st.ip_addresses(v=4))
def test_what_is_public_is_global_and_stays_so_inside_of_an_ipv6_address(address):
    assert is_public(f"::ffff:{address}") is is_public(str(address))
    assert not is_public(f"64:ff9b::{address}")
    assert not is_public(str(address)) or (address.is_global and not address.is_multicast)


def test_a_name_is_looked_up_once_and_its_first_answer_is_what_counts(monkeypatch, connected):
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    def rebinding(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(StoreUnreachableError):
        Stores([Store("web", "https://")]).drive("web").stat("https://rebound.example/a")
    assert connected == [("93.184.215.14", 443)]


def test_a_name_with_one_inner_address_among_others_is_not_connected_to(monkeypatch, connected):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(UnsafeUrlError, match=r"10\.0\.0\.1"):
        read(Stores([Store("web", "https://")]), "https://mixed.example/a")
    assert connected == []


# redirects and credentials


@pytest.fixture
def stores(web):
    return Stores([Store("web", f"{web.url}/pub", private=True, timeout=5)])


def test_a_body_comes_whole_or_in_ranges(web, stores):
    web.give("/pub/a", BODY)
    assert read(stores, f"{web.url}/pub/a") == BODY
    assert read(stores, f"{web.url}/pub/a", start=300, stop=700) == BODY[300:700]
    assert read(stores, f"{web.url}/pub/a", start=len(BODY) - 1) == BODY[-1:]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_store_is_followed(web, stores, status):
    web.redirect("/pub/a", "b/c?sig=s3cret", status)
    web.give("/pub/b/c", BODY)
    assert read(stores, f"{web.url}/pub/a") == BODY


@pytest.mark.parametrize(
    "target",
    ["/secret", "//169.254.169.254/latest", "http://localhost/", "file:///etc/passwd", "ftp://x/a", "https://127.1/", "/pub/%2e%2e/secret", "http://[::1]/pub/a", "zip://a::http://x/"],
)  # fmt: skip
@pytest.mark.parametrize("hops", [0, 2])
def test_a_redirect_that_leads_elsewhere_is_refused_at_each_hop(web, stores, target, hops):
    for at in range(hops):
        web.redirect(f"/pub/{at}", f"/pub/{at + 1}")
    web.redirect(f"/pub/{hops}", target)
    web.give("/secret", BODY)
    with pytest.raises((UncoveredError, UnsafeUrlError)):
        read(stores, f"{web.url}/pub/0")
    assert {path for _, path, _ in web.asked} == {f"/pub/{at}" for at in range(hops + 1)}


def test_redirects_end(web, stores):
    web.redirect("/pub/a", "/pub/a")
    with pytest.raises(UnsafeUrlError, match="more than 5 times"):
        read(stores, f"{web.url}/pub/a")


def test_a_redirect_from_the_public_web_to_an_inner_address_is_refused(web, connected):
    place = Store("web", "http://")
    with pytest.raises(UnsafeUrlError, match="not public"):
        Stores([place]).drive("web")._asked("GET", Stores([Store("in", web.url)])["in"].place, place, {})
    assert connected == []


def test_credentials_of_one_host_never_reach_another(web, monkeypatch):
    other = Web()
    monkeypatch.setenv("MIRROR_TOKEN", "Bearer s3cret")
    stores = Stores(
        [
            Store("one", web.url, private=True, credentials={"Authorization": FromEnv("MIRROR_TOKEN")}),
            Store("two", other.url, private=True, credentials={"X-Other": "0th3r"}),
        ]
    )
    web.redirect("/a", f"{other.url}/a")
    other.give("/a", BODY)
    assert read(stores, f"{web.url}/a") == BODY
    other.close()
    assert {headers["Authorization"] for _, _, headers in web.asked} == {"Bearer s3cret"}
    assert {"Authorization", "X-Other"} & {name for _, _, headers in other.asked for name in headers} == set()


def test_credentials_for_the_whole_web_are_refused():
    with pytest.raises(StoresFileError, match="every host"):
        Store("web", "https://", credentials={"Authorization": "x"})


@pytest.mark.parametrize("secret", ["a\r\nX-Evil: 1", "a\nb", "a\0"])
def test_a_credential_adds_no_header(secret):
    with pytest.raises(StoresFileError) as caught:
        Store("web", "https://a.example", credentials={"Authorization": secret})
    assert "Evil" not in str(caught.value)


def test_a_downgrade_from_tls_is_refused(web):
    secure = Store("web", "https://a.example", private=True)
    drive = Stores([secure, Store("plain", web.url, private=True)]).drive("web")
    with pytest.raises(UnsafeUrlError, match="from https to http"):
        drive._hop(f"{web.url}/a", secure.place)


# bodies and answers


def test_a_flipped_byte_is_an_error_before_the_last_chunk(web, stores):
    flipped = bytearray(BODY)
    flipped[7] ^= 1
    web.give("/pub/a", bytes(flipped))
    got = []
    with pytest.raises(WrongBytesError) as caught, opened(stores, blob(f"{web.url}/pub/a")) as file:
        got.extend(file.chunks())
    assert sum(map(len, got)) < len(BODY)
    assert caught.value.what == "sha256"


def test_a_body_that_breaks_off_is_an_error(web, stores):
    web.break_off("/pub/a", BODY, 1000)
    with pytest.raises(StoreUnreachableError, match="broke off"):
        read(stores, f"{web.url}/pub/a")


@pytest.mark.parametrize("other", [BODY[:-1], BODY + b"x"])
def test_a_body_of_another_length_is_an_error(web, stores, other):
    web.give("/pub/a", other)
    with pytest.raises(WrongBytesError) as caught:
        read(stores, f"{web.url}/pub/a")
    assert (caught.value.what, caught.value.expected, caught.value.found) == ("size", len(BODY), len(other))


def test_a_body_without_end_is_read_no_further_than_the_blob(web, stores):
    web.never_end("/pub/a", BODY)
    with pytest.raises(WrongBytesError, match="or more"):
        read(stores, f"{web.url}/pub/a")


def test_a_body_that_stops_coming_is_an_error(web):
    web.trickle("/pub/a", BODY, 100)
    impatient = Stores([Store("web", f"{web.url}/pub", private=True, timeout=0.2)])
    with pytest.raises(StoreUnreachableError):
        read(impatient, f"{web.url}/pub/a")


def test_what_breaks_off_at_one_place_goes_on_at_the_next(web, stores):
    web.break_off("/pub/a", BODY, len(BODY) // 2)
    web.give("/pub/b", BODY)
    broken, whole = f"{web.url}/pub/a", f"{web.url}/pub/b"
    both = blob(broken).evolve(locations=[broken, whole])
    with opened(stores, both) as file:
        assert file.read() == BODY
    assert web.asked[-1][2]["Range"] == f"bytes={len(BODY) // 2}-"


def test_a_range_that_a_server_does_not_give_is_an_error(web, stores):
    web.routes["/pub/a"] = lambda asked: asked.answer(200, BODY)
    with pytest.raises(StoreUnableError, match="range"):
        read(stores, f"{web.url}/pub/a", start=5, stop=10)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_when_it_says(web, stores, status):
    web.refuse("/pub/a", status, status, then=BODY, Retry_After="0")
    assert stores.drive("web").stat(f"{web.url}/pub/a").size == len(BODY)


@pytest.mark.parametrize("told", ["9" * 5000, "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "²"])
def test_a_busy_server_may_say_anything_of_when(web, stores, monkeypatch, told):
    slept = []
    monkeypatch.setattr("metastore.stores._web.time.sleep", slept.append)
    web.refuse("/pub/a", 503, then=BODY, Retry_After=told)
    assert stores.drive("web").stat(f"{web.url}/pub/a").size == len(BODY)
    assert slept == [min(30, stores["web"].timeout) if told.startswith("9") else 1]


@pytest.mark.parametrize("headers", [{"Content_Length": "9" * 5000}, {"Content_Range": f"bytes 4-{'9' * 5000}/10"}])
def test_numbers_without_end_are_no_more_than_a_wrong_answer(web, stores, headers):
    web.routes["/pub/a"] = lambda asked: asked.answer(206 if asked.headers.get("Range") else 200, BODY, **headers)
    with pytest.raises(StoreError):
        read(stores, f"{web.url}/pub/a", start=4, stop=9)


@pytest.mark.parametrize("to", ["http://[::1", "//[", "http://[::1]x/"])
def test_a_redirect_to_what_is_no_url_is_refused(web, stores, to):
    web.redirect("/pub/a", to)
    with pytest.raises(UnsafeUrlError):
        read(stores, f"{web.url}/pub/a")


def beyond(asked, body):
    """Answer a range as nginx does: with 416 where it begins beyond the end."""
    start = int(asked.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
    if start >= len(body):
        asked.answer(416, Content_Range=f"bytes */{len(body)}")
    else:
        asked.answer(206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")


@pytest.mark.parametrize(("body", "start", "stop"), [(b"abc", 3, None), (b"abc", 9, 12), (b"", 0, 5), (b"", 1, None)])
def test_a_range_beyond_the_end_is_nothing(web, stores, body, start, stop):
    web.routes["/pub/a"] = lambda asked: beyond(asked, body) if asked.command == "GET" else asked.answer(200, body)
    assert read(stores, f"{web.url}/pub/a", body, start=start, stop=stop) == b""


def test_a_range_that_is_refused_though_there_are_such_bytes_is_an_error(web, stores):
    web.routes["/pub/a"] = lambda asked: asked.answer(
        416 if asked.command == "GET" else 200, b"" if asked.command == "GET" else BODY, Content_Range="bytes */10"
    )
    with pytest.raises(StoreError, match="416"):
        read(stores, f"{web.url}/pub/a", start=3)


def test_a_range_that_is_given_in_part_is_no_range(web, stores):
    web.routes["/pub/a"] = lambda asked: asked.answer(
        206 if asked.command == "GET" else 200,
        BODY[4:6] if asked.command == "GET" else BODY,
        Content_Range="bytes 4-5/9",
    )
    with pytest.raises(StoreUnreachableError, match="no more than 2 of 5 bytes"):
        read(stores, f"{web.url}/pub/a", start=4, stop=9)


def test_who_reads_on_after_an_error_is_not_told_that_it_was_the_end(web, stores):
    web.give("/pub/a", BODY[:-1] + b"!")
    with opened(stores, blob(f"{web.url}/pub/a")) as file:
        for _ in range(2):
            with pytest.raises(WrongBytesError):
                while file.read(2**20):
                    pass


def test_who_closed_it_reads_no_more(web, stores):
    web.give("/pub/a", BODY)
    file = opened(stores, blob(f"{web.url}/pub/a"))
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()


REFUSALS = {
    401: StoreDeniedError, 403: StoreDeniedError, 404: MissingBytesError, 409: StoreError, 410: MissingBytesError,
    412: StoreError, 429: StoreUnreachableError, 500: StoreUnreachableError, 503: StoreUnreachableError, 418: StoreError,
}  # fmt: skip


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_clear_error(web, stores, status):
    web.refuse("/pub/a", *[status] * 12, Retry_After="0")
    with pytest.raises(REFUSALS[status], match=str(status)) as caught:
        read(stores, f"{web.url}/pub/a")
    assert (caught.value.store, caught.value.__context__) == ("web", None)


def test_a_server_that_is_not_there_is_unreachable(web, stores):
    web.close()
    with pytest.raises(StoreUnreachableError, match=str(web.port)):
        read(stores, f"{web.url}/pub/a")


def test_a_certificate_that_nobody_trusts_is_refused(web):
    drive = Stores([Store("web", f"https://127.0.0.1:{web.port}", private=True)]).drive("web")
    with pytest.raises(StoreUnreachableError):
        drive.stat(f"https://127.0.0.1:{web.port}/a")
    assert drive._trusted().verify_mode is ssl.CERT_REQUIRED


def test_the_web_is_not_written(stores):
    drive = stores.drive("web")
    for act in (lambda: drive.create("a", [b""]), lambda: drive.remove("a"), drive.keys):
        with pytest.raises(StoreUnableError):
            act()
