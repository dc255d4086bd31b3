"""What breaks between here and Swift: connections, answers, servers."""

import errno

import pytest
from servers.faulty import Fault, FaultyProxy
from servers.swift import Swift
from urllib3.connection import HTTPConnection

from metastore_swift import SwiftFileSystem

DATA = bytes(range(256)) * 40
DAY = 86_400
REFUSALS = {
    400: (OSError, errno.EINVAL),
    401: (PermissionError, errno.EACCES),
    403: (PermissionError, errno.EACCES),
    404: (FileNotFoundError, errno.ENOENT),
    409: (OSError, errno.EBUSY),
    413: (OSError, errno.EFBIG),
    429: (OSError, errno.EIO),
    500: (OSError, errno.EIO),
    503: (OSError, errno.EIO),
    507: (OSError, errno.ENOSPC),
}


@pytest.fixture
def proxy(swift_server):
    with FaultyProxy(swift_server.base) as proxy:
        yield proxy


@pytest.fixture
def reaching(opened, swift_server, proxy):
    """A function that makes a filesystem which reaches Swift through the proxy, and notes its pauses instead of making them."""

    def made(**options):
        through = swift_server.storage_url.replace(swift_server.base, proxy.base)
        fs = opened(**{"storage_url": through, "retries": 3, "timeout": 5, **options})
        fs.pauses = []
        fs.objects.account.sleep = fs.pauses.append
        return fs

    return made


@pytest.fixture
def far(reaching):
    return reaching()


@pytest.fixture
def path(fs, container):
    fs.pipe(f"{container}/x", DATA)
    return f"{container}/x"


@pytest.mark.parametrize("status", [408, 429, 498, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(far, proxy, path, status):
    proxy.spoil(Fault(status), verb="GET", times=3)
    assert far.cat_file(path) == DATA
    assert proxy.count("GET") == 4


@pytest.mark.parametrize("status", REFUSALS)
def test_every_refusal_is_the_error_that_python_has_for_it(far, proxy, path, status):
    proxy.spoil(Fault(status), verb="GET", times=99)
    kind, number = REFUSALS[status]
    with pytest.raises(kind, match=rf"\(GET was answered with {status}") as caught:
        far.cat_file(path)
    assert (caught.value.errno, caught.value.filename, caught.value.status) == (number, path, status)


def test_tries_are_bounded(far, proxy, path):
    proxy.spoil(Fault(503), verb="GET", times=99)
    with pytest.raises(OSError, match="503"):
        far.cat_file(path)
    assert proxy.count("GET") == 4
    assert len(far.pauses) == 3


def test_a_refusal_is_not_tried_again(far, proxy, path):
    proxy.spoil(Fault(403), verb="GET")
    with pytest.raises(PermissionError):
        far.cat_file(path)
    assert far.pauses == []


def test_the_pause_is_as_long_as_swift_asks_for(far, proxy, path):
    proxy.spoil(Fault(429, {"Retry-After": "7"}), verb="GET", times=2)
    far.cat_file(path)
    assert far.pauses == [7.0, 7.0]


def test_the_pause_may_be_asked_for_by_a_date(far, proxy, path):
    proxy.spoil(Fault(503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}), verb="GET")
    far.cat_file(path)
    assert far.pauses == [0.0]


def test_a_pause_longer_than_is_allowed_is_not_made(far, proxy, path):
    proxy.spoil(Fault(503, {"Retry-After": "3600"}), verb="GET")
    with pytest.raises(OSError, match="503"):
        far.cat_file(path)
    assert far.pauses == []


def test_pauses_grow(far, proxy, path):
    proxy.spoil(Fault(500), verb="GET", times=3)
    far.cat_file(path)
    assert 0 < far.pauses[0] < far.pauses[2] <= 0.4


@pytest.mark.parametrize("cut", [0, 1, 5000, len(DATA) - 1])
def test_reading_goes_on_where_the_connection_broke(far, proxy, path, cut):
    proxy.spoil(Fault(cut=cut), verb="GET", path="/x")
    assert far.cat_file(path) == DATA


def test_a_file_that_is_read_goes_on_where_the_connection_broke(far, proxy, path):
    proxy.spoil(Fault(cut=100), verb="GET", path="/x", times=3)
    with far.open(path) as file:
        assert file.read() == DATA


def test_a_part_goes_on_where_the_connection_broke(far, proxy, path):
    proxy.spoil(Fault(cut=10), verb="GET", path="/x", times=2)
    assert far.cat_file(path, 1000, -1000) == DATA[1000:-1000]


def test_a_connection_that_always_breaks_is_an_error_in_the_end(far, proxy, path):
    proxy.spoil(Fault(cut=0), verb="GET", path="/x", times=99)
    with pytest.raises(ConnectionError, match="No whole answer from Swift in 4 tries"):
        far.cat_file(path)


def test_an_object_that_is_replaced_between_two_parts_is_an_error(far, fs, proxy, path):
    with far.open(path, block_size=100) as file:
        file.read(100)
        fs.pipe(path, DATA[::-1])
        with pytest.raises(OSError, match="replaced") as caught:
            file.read()
    assert caught.value.errno == errno.ESTALE


def test_a_flipped_byte_is_an_error(far, proxy, path):
    proxy.spoil(Fault(flip=4321), verb="GET", path="/x")
    with pytest.raises(OSError, match="MD5") as caught:
        far.cat_file(path)
    assert caught.value.errno == errno.EIO


def test_a_flipped_byte_leaves_no_file_on_the_disk(far, proxy, path, tmp_path):
    proxy.spoil(Fault(flip=0), verb="GET", path="/x")
    with pytest.raises(OSError, match="MD5"):
        far.get_file(path, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_bytes_beyond_the_length_are_not_read(far, proxy, path):
    proxy.spoil(Fault(longer=b"more than was promised"), verb="GET", path="/x")
    assert far.cat_file(path) == DATA
    assert far.cat_file(path) == DATA


def test_a_part_that_is_not_the_one_asked_for_is_an_error(far, proxy, path):
    proxy.spoil(Fault(206, {"Content-Range": "bytes 0-4/9", "ETag": "x"}, b"wrong"), verb="GET", path="/x")
    with pytest.raises(OSError, match="asked for bytes from 5") as caught:
        far.cat_file(path, 5, 10)
    assert caught.value.errno == errno.EPROTO


def test_an_answer_that_takes_no_notice_of_ranges_is_cut_here(far, proxy, path):
    proxy.spoil(Fault(200, {"ETag": "x"}, DATA), verb="GET", path="/x")
    assert far.cat_file(path, 300, 700) == DATA[300:700]


def test_silence_is_an_error_of_time(opened, swift_server, proxy, path):
    url = swift_server.storage_url.replace(swift_server.base, proxy.base)
    fs = opened(storage_url=url, retries=0, timeout=0.2)
    proxy.spoil(Fault(silent=True), verb="GET")
    with pytest.raises(TimeoutError, match="1 try"):
        fs.cat_file(path)


def test_a_write_is_tried_again(far, fs, proxy, container):
    proxy.spoil(Fault(503), verb="PUT", times=2)
    far.pipe(f"{container}/y", DATA)
    assert fs.cat(f"{container}/y") == DATA


def test_a_write_whose_answer_is_lost_is_made_again(far, fs, proxy, container):
    proxy.spoil(Fault(lost=True), verb="PUT")
    far.pipe(f"{container}/y", DATA)
    assert fs.cat(f"{container}/y") == DATA


def test_an_object_made_by_a_try_whose_answer_was_lost_was_made(far, fs, proxy, container):
    proxy.spoil(Fault(lost=True), verb="PUT")
    far.pipe_file(f"{container}/y", DATA, mode="create")
    assert fs.cat(f"{container}/y") == DATA


def test_an_object_of_somebody_else_was_not_made_here(far, proxy, path):
    proxy.spoil(Fault(503), verb="PUT")
    with pytest.raises(FileExistsError):
        far.pipe_file(path, b"other", mode="create")


def test_a_removal_whose_answer_is_lost_was_made(far, fs, proxy, path):
    proxy.spoil(Fault(lost=True), verb="DELETE")
    far.rm_file(path)
    assert not fs.exists(path)


def test_a_listing_that_breaks_off_is_asked_for_again(far, proxy, path, container):
    proxy.spoil(Fault(cut=5), verb="GET", path="format=json")
    assert far.find(container) == [path]


def test_a_listing_that_is_no_json_is_an_error(far, proxy, container):
    proxy.spoil(Fault(200, body=b"<html>"), verb="GET", path="format=json")
    with pytest.raises(OSError, match="was to be JSON"):
        far.ls(container)


def test_existence_is_not_denied_by_a_refusal(far, proxy, path):
    proxy.spoil(Fault(403), verb="HEAD", times=9)
    with pytest.raises(PermissionError):
        far.exists(path)


def test_a_redirect_is_not_followed(far, proxy, path):
    proxy.spoil(Fault(302, {"Location": f"{proxy.base}/elsewhere"}), verb="GET")
    with pytest.raises(OSError, match="302"):
        far.cat_file(path)
    assert proxy.count("GET", "elsewhere") == 0


@pytest.mark.parametrize("after", [0, 1])
def test_a_segment_that_cannot_be_stored_leaves_nothing(far, fs, proxy, container, after):
    proxy.spoil(Fault(413), verb="PUT", path="_segments/", times=1, after=after + 1)
    with pytest.raises(OSError, match="413"), far.open(f"{container}/big", "wb", block_size=1000) as file:
        file.write(DATA)
    assert fs.find(container) == fs.find(f"{container}_segments") == []


def test_a_write_that_failed_is_not_gone_on_with(far, fs, proxy, container):
    proxy.spoil(Fault(413), verb="PUT", path="_segments/", times=1, after=1)
    with far.open(f"{container}/big", "wb", block_size=1000) as file:
        with pytest.raises(OSError, match="413"):
            file.write(DATA)
        with pytest.raises(ValueError, match="closed"):
            file.write(DATA)
    assert fs.find(container) == fs.find(f"{container}_segments") == []


def test_a_manifest_that_is_refused_leaves_nothing(far, fs, proxy, container):
    proxy.spoil(Fault(413), verb="PUT", path="multipart-manifest")
    with pytest.raises(OSError, match="413"), far.open(f"{container}/big", "wb", block_size=2000) as file:
        file.write(DATA)
    assert fs.find(container) == fs.find(f"{container}_segments") == []


def test_a_manifest_that_has_arrived_though_nobody_said_so_is_looked_for(far, fs, proxy, container):
    proxy.spoil(Fault(lost=True), verb="PUT", path="multipart-manifest", times=9)
    with far.open(f"{container}/big", "wb", block_size=2000) as file:
        file.write(DATA)
    assert fs.cat(f"{container}/big") == DATA


def test_a_manifest_that_may_have_arrived_keeps_its_segments(far, fs, proxy, container):
    proxy.spoil(Fault(lost=True), verb="PUT", path="multipart-manifest", times=9)
    proxy.spoil(Fault(503), verb="HEAD", path="/big", times=99)
    with pytest.raises(ConnectionError), far.open(f"{container}/big", "wb", block_size=2000) as file:
        file.write(DATA)
    assert fs.cat(f"{container}/big") == DATA


def test_a_large_object_made_by_a_try_whose_answer_was_lost_was_made(far, fs, proxy, container):
    proxy.spoil(Fault(lost=True), verb="PUT", path="multipart-manifest")
    with far.open(f"{container}/big", "xb", block_size=2000) as file:
        file.write(DATA)
    assert fs.cat(f"{container}/big") == DATA


@pytest.mark.parametrize("size", [len(DATA), 1000])
def test_an_object_made_before_the_token_expired_was_made(reaching, fs, proxy, container, size):
    """The try that finds the token refused is not the first one: the one before it made the object, and its answer was lost."""
    for fault in (Fault(lost=True), Fault(401)):
        proxy.spoil(fault, verb="PUT", path=f"/{container}/big")
    reaching(block_size=2000).pipe_file(f"{container}/big", DATA[:size], mode="create")
    assert fs.cat(f"{container}/big") == DATA[:size]


@pytest.mark.parametrize("fault", [Fault(504), Fault(silent=True)])
def test_a_manifest_that_may_still_arrive_keeps_its_segments(reaching, fs, proxy, container, fault):
    """Who gives up first, here or a proxy on the way, does not know what Swift is still at work on."""
    proxy.spoil(fault, verb="PUT", path="multipart-manifest", times=9)
    with pytest.raises(OSError, match="PUT"):
        reaching(block_size=2000, retries=1, timeout=1).pipe_file(f"{container}/big", DATA)
    assert len(fs.find(f"{container}_segments")) == len(fs.orphans(container, older_than=-DAY)) == 4


def test_what_is_sent_is_handed_on_in_pieces(far, fs, container, monkeypatch):
    """A socket's timeout is for all that it is given at once, so a slow line would need more than is allowed for many bytes."""
    handed, send = [], HTTPConnection.send
    monkeypatch.setattr(HTTPConnection, "send", lambda self, data: handed.append(len(data)) or send(self, data))
    far.pipe_file(f"{container}/x", DATA * 100)
    assert sum(handed) > len(DATA) * 100
    assert max(handed) <= 256 * 1024
    assert fs.cat(f"{container}/x") == DATA * 100


def test_a_segment_that_is_spoiled_on_its_way_is_sent_again(far, fs, proxy, container):
    proxy.spoil(Fault(garble=700), verb="PUT", path="_segments/", after=1)
    with far.open(f"{container}/big", "wb", block_size=2000) as file:
        file.write(DATA)
    assert fs.cat(f"{container}/big") == DATA


def test_a_segment_that_is_spoiled_again_and_again_leaves_nothing(far, fs, proxy, container):
    proxy.spoil(Fault(garble=700), verb="PUT", path="_segments/", times=99, after=1)
    with pytest.raises(OSError, match="422"), far.open(f"{container}/big", "wb", block_size=2000) as file:
        file.write(DATA)
    assert fs.find(container) == fs.find(f"{container}_segments") == []


@pytest.mark.parametrize("way", ["pipe", "put"])
def test_what_is_under_way_is_not_tried_again_once_another_segment_failed(
    reaching, fs, proxy, container, tmp_path, way
):
    fs.mkdir(f"{container}_segments")
    proxy.spoil(Fault(413), verb="PUT", path="/00000000")
    proxy.spoil(Fault(silent=True), verb="PUT", path="/00000001", times=9)
    small, target = reaching(block_size=2000, timeout=1), f"{container}/big"
    (tmp_path / "here").write_bytes(DATA)
    with pytest.raises(OSError, match="413"):
        small.pipe_file(target, DATA) if way == "pipe" else small.put_file(tmp_path / "here", target)
    assert proxy.count("PUT", "/00000001") == 1
    assert fs.find(container) == fs.find(f"{container}_segments") == []


def test_an_error_tells_swifts_own_number_of_the_request(far, path):
    with pytest.raises(FileNotFoundError, match=r"transaction tx[0-9a-f-]+"):
        far.cat_file(path + "-not")


def test_a_server_killed_and_started_again_is_only_slow():
    server = Swift()
    fs = SwiftFileSystem(auth_url=server.auth_url, user="test:tester", key="testing")
    fs.objects.account.sleep = lambda _: server.process.poll() is None or server.start()
    try:
        fs.mkdir("c")
        fs.pipe("c/x", DATA)
        with fs.open("c/x", block_size=100) as file:
            file.read(100)
            server.kill()
            assert file.read() == DATA[100:]
    finally:
        server.close()


def test_a_server_that_is_gone_is_an_error():
    server = Swift()
    fs = SwiftFileSystem(auth_url=server.auth_url, user="test:tester", key="testing", retries=1)
    fs.mkdir("c")
    server.close()
    with pytest.raises(ConnectionError, match="2 tries"):
        fs.pipe("c/x", DATA)


def test_a_manifest_that_is_listed_and_not_found_is_an_error(far, fs, proxy, container):
    with fs.open(f"{container}/x", "wb", block_size=1000) as file:
        file.write(bytes(3000))
    proxy.spoil(Fault(404), path="multipart-manifest=get")
    with pytest.raises(FileNotFoundError, match="no such container or object"):
        far.orphans(container)


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b'"x"'])
@pytest.mark.parametrize("ask", ["ls", "find", "orphans"])
def test_a_listing_that_is_none_is_told_in_a_sentence(far, proxy, path, body, ask):
    assert far.objects.account.abilities
    proxy.spoil(Fault(200, {}, body), verb="GET", times=9)
    with pytest.raises(OSError, match="was to be a list of objects") as caught:
        getattr(far, ask)(path.partition("/")[0])
    assert caught.value.errno == errno.EPROTO


@pytest.mark.parametrize("store", [lambda fs, path: fs.pipe(path, b"x"), lambda fs, path: fs.cp_file(path, f"{path}2")])
def test_a_page_that_says_yes_to_everything_stores_nothing(far, proxy, path, store):
    proxy.spoil(Fault(200, {"Content-Type": "text/html"}, b"<html>Log in</html>"), verb="PUT", times=9)
    with pytest.raises(OSError, match="does not; is this the address of a Swift account"):
        store(far, path)


def test_times_and_counts_that_are_none_are_not_told(far, proxy, path):
    proxy.spoil(Fault(200, {"Last-Modified": "never", "X-Container-Object-Count": "many"}), verb="HEAD", times=9)
    assert (far.info(path)["last_modified"], far.info(path.partition("/")[0])["objects"]) == (None, None)
