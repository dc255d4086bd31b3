"""Getting in, staying in, and telling nobody how."""

import json
import logging
import multiprocessing
import pickle  # noqa: TID251 - what it must not carry is tested
import subprocess
import sys
import threading
import traceback

import pytest
import swiftclient
from servers.faulty import Fault, FaultyProxy
from servers.swift import KEY, STRANGER, STRANGER_KEY, USER, Swift

from metastore_swift import SwiftFileSystem
from metastore_swift._secret import Secret
from metastore_swift._settings import settings_from


@pytest.fixture
def path(fs, container):
    fs.pipe(f"{container}/x", b"here")
    return f"{container}/x"


@pytest.fixture(autouse=True)
def nothing_ambient(monkeypatch):
    for name in ("OS_AUTH_URL", "OS_STORAGE_URL", "OS_AUTH_TOKEN", "ST_AUTH", "ST_USER", "ST_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_token_and_an_address_are_enough(swift_server, path):
    url, token = swiftclient.get_auth(swift_server.auth_url, USER, KEY)
    assert SwiftFileSystem(token=token, storage_url=url).cat(path) == b"here"


def test_a_token_that_was_given_is_not_renewed(swift_server, path):
    fs = SwiftFileSystem(token="stale", storage_url=swift_server.storage_url)
    for _ in range(2):
        with pytest.raises(PermissionError, match="cannot be renewed"):
            fs.cat(path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "sesame"}, "credentials are refused"),
        ({"key": None}, "there are none"),
        ({"auth_url": None, "token": "sesame"}, "give storage_url"),
    ],
)
def test_without_the_right_credentials_there_is_no_way_in(opened, options, said):
    with pytest.raises(PermissionError, match=said) as caught:
        opened(**options).ls("")
    assert "sesame" not in str(caught.value)


def test_what_belongs_to_others_is_refused(opened, swift_server, path):
    fs = opened(user=STRANGER, key=STRANGER_KEY, storage_url=swift_server.storage_url)
    with pytest.raises(PermissionError, match="may not do this"):
        fs.cat(path)


def test_a_token_that_expired_is_renewed_once_for_all_threads(opened, swift_server, path):
    with FaultyProxy(swift_server.base) as proxy:
        far = opened(storage_url=swift_server.storage_url.replace(swift_server.base, proxy.base))
        first = far.objects.account.access
        proxy.spoil(Fault(401), verb="GET", times=1)
        assert far.cat(path) == b"here"
        assert far.objects.account.access is not first
        assert far.objects.account.here.login.access(refused=first) is far.objects.account.access


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_password_does_not_follow_a_redirect(swift_server, status):
    with FaultyProxy(swift_server.base) as keystone, FaultyProxy(swift_server.base) as other:
        keystone.spoil(Fault(status, {"Location": f"{other.base}/v3/auth/tokens"}, b""), times=9)
        fs = SwiftFileSystem(auth_url=f"{keystone.base}/v3", username="a", password="sesame", project_name="b")
        with pytest.raises(OSError, match="No token from Keystone"):
            fs.ls("")
        assert (keystone.count("POST"), other.seen) == (1, [])


def test_a_write_survives_the_end_of_its_token(opened, swift_server, fs, container):
    with FaultyProxy(swift_server.base) as proxy:
        url = swift_server.storage_url.replace(swift_server.base, proxy.base)
        far = opened(storage_url=url, block_size=1000)
        proxy.spoil(Fault(401), verb="PUT", after=2)
        with far.open(f"{container}/x", "wb") as file:
            file.write(bytes(5000))
    assert fs.cat(f"{container}/x") == bytes(5000)


def test_the_environment_gives_what_the_options_leave_out(swift_server, monkeypatch, path):
    for name, value in (("ST_AUTH", swift_server.auth_url), ("ST_USER", USER), ("ST_KEY", KEY)):
        monkeypatch.setenv(name, value)
    assert SwiftFileSystem(skip_instance_cache=True).cat(path) == b"here"


def test_credentials_of_the_environment_do_not_go_to_another_address():
    ambient = {"OS_AUTH_URL": "https://mine.example/v3", "OS_USERNAME": "me", "OS_PASSWORD": "sesame"}
    assert settings_from({}, ambient).password == Secret("sesame")
    assert settings_from({"auth_url": "https://mine.example/v3/"}, ambient).password == Secret("sesame")
    assert not settings_from({"auth_url": "https://other.example/v3"}, ambient).password


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auth_url": "https://me:sesame@host/v3"}, "more than an address"),
        ({"storage_url": "https://host/v1/A?token=sesame"}, "more than an address"),
        ({"auth_url": "ftp://host/sesame"}, "http or https"),
        ({"auth_url": "sesame"}, "http or https"),
        ({"block_size": 0}, "at least 1"),
        ({"retries": -1}, "at least 0"),
        ({"timeout": "sesame"}, "at least 0"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        settings_from(options, {})


def test_an_option_that_is_not_known_is_said_at_once():
    with pytest.raises(TypeError, match="no option pasword"):
        SwiftFileSystem(pasword="sesame")


def test_no_secret_is_shown(opened, path, caplog):
    caplog.set_level(logging.DEBUG)
    fs = opened(temp_url_key="sesame")
    fs.cat(path)
    token = fs.objects.account.access.token.reveal()
    shown = [repr(fs), str(fs.storage_options), fs.to_json(), repr(fs.settings), repr(vars(fs.settings)), caplog.text]
    assert "metastore_swift" in caplog.text
    assert [text for text in shown for secret in (KEY, "sesame", token) if f"'{secret}'" in text or token in text] == []
    assert json.loads(fs.to_json())["user"] == USER


def test_a_pickle_carries_no_secret_and_finds_the_living(opened, path):
    fs = opened(timeout=33)
    pickled = pickle.dumps(fs)
    assert KEY.encode() not in pickled
    assert pickle.loads(pickled) is fs


def test_a_pickle_read_elsewhere_takes_the_secrets_of_the_environment(opened, path, monkeypatch, swift_server):
    pickled = pickle.dumps(opened(timeout=34))
    with pytest.raises(PermissionError, match="A pickle carries no secret"):
        pickle.loads(pickled).cat(path)
    for name, value in (("ST_AUTH", swift_server.auth_url), ("ST_KEY", KEY)):
        monkeypatch.setenv(name, value)
    SwiftFileSystem.clear_instance_cache()
    assert pickle.loads(pickled).cat(path) == b"here"


def test_an_open_file_is_pickled(opened, path):
    with opened(timeout=35).open(path) as file:
        file.read(2)
        assert pickle.loads(pickle.dumps(file)).read() == b"re"


def test_a_secret_is_not_pickled():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("sesame"))


def _sends(fs, path, there):
    there.send(fs.cat(path))


def test_the_child_of_a_fork_goes_on(fs, path):
    fs.cat(path)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_sends, args=(fs, path, there))
    child.start()
    assert here.recv() == fs.cat(path) == b"here"
    child.join()


def test_threads_share_a_filesystem(fs, path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fs.cat(path))) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [b"here"] * 12


def test_nothing_of_metastore_is_imported():
    code = "import sys, metastore_swift; print([m for m in sys.modules if m.split('.')[0] in ('metastore', 'keystoneauth1')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def tls():
    server = Swift(tls=True)
    yield server
    server.close()


def test_a_certificate_is_trusted_by_the_file_that_says_so(opened, tls):
    fs = opened(auth_url=tls.auth_url, ca_file=tls.ca_file)
    fs.mkdir("c")
    fs.pipe("c/x", b"here")
    assert fs.cat("c/x") == b"here"


def test_a_certificate_that_is_not_trusted_ends_it_at_once(opened, tls):
    with pytest.raises(ConnectionError, match=r"in 1 try.*CERTIFICATE_VERIFY_FAILED"):
        opened(auth_url=tls.auth_url).ls("")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_trust_may_be_waived(opened, tls):
    assert isinstance(opened(auth_url=tls.auth_url, verify=False).ls(""), list)


def test_a_login_by_https_does_not_lead_to_storage_without(opened, tls, swift_server):
    from metastore_swift._login import entrance

    settings = settings_from({"auth_url": tls.auth_url, "user": USER, "key": KEY}, {})
    told = {"X-Auth-Token": "sesame", "X-Storage-Url": swift_server.storage_url}
    with pytest.raises(PermissionError, match="storage without it"):
        entrance(settings, lambda *_: told, opened().objects.account.patience)()


def in_keystone(proxy, **options):
    return SwiftFileSystem(
        auth_url=f"{proxy.base}/v3",
        username="a",
        password="sesame",
        project_name="b",
        skip_instance_cache=True,
        **options,
    )


@pytest.mark.parametrize("fault", [Fault(429), Fault(503, {"Retry-After": "7"}), Fault(lost=True)])
def test_what_may_pass_at_keystone_is_tried_again(swift_server, fault):
    with FaultyProxy(swift_server.base) as proxy:
        fs, pauses = in_keystone(proxy, retries=2), []
        fs.objects.account.sleep = pauses.append
        proxy.spoil(fault, times=9)
        with pytest.raises(ConnectionError, match="No token from Keystone"):
            fs.ls("")
        assert (proxy.count("POST"), 7.0 in pauses) == (3, fault.status == 503)


TOKEN = {"X-Subject-Token": "sesame"}
NO_TOKENS = [
    "[]",
    "null",
    '{"token": null}',
    '{"token": []}',
    '{"token": {}}',
    '{"token": {"expires_at": "never"}}',
    "<html>",
]


@pytest.mark.parametrize(("headers", "body"), [({}, '{"token": {}}'), *((TOKEN, each) for each in NO_TOKENS)])
def test_what_is_no_answer_of_keystone_is_told_in_a_sentence(swift_server, headers, body):
    with FaultyProxy(swift_server.base) as proxy:
        proxy.spoil(Fault(201, headers, body.encode()), times=9)
        with pytest.raises(OSError, match="Keystone") as caught:
            in_keystone(proxy).ls("")
        assert (caught.value.__context__, "sesame" in str(caught.value)) == (None, False)


PLACES = [
    None,
    "/v1/AUTH_a",
    "ftp://swift.example/v1/AUTH_a",
    "http:///v1/AUTH_a",
    "http://swift.example:99999/v1/AUTH_a",
]


@pytest.mark.parametrize("place", PLACES)
def test_storage_at_what_is_no_address_is_told_in_a_sentence(swift_server, place):
    listed = {"type": "object-store", "id": "a", "endpoints": [{"interface": "public", "region": "here", "url": place}]}
    body = json.dumps({"token": {"expires_at": "2999-01-01T00:00:00Z", "catalog": [listed]}}).encode()
    with FaultyProxy(swift_server.base) as proxy:
        proxy.spoil(Fault(201, TOKEN, body), times=9)
        with pytest.raises(OSError, match="give storage_url"):
            in_keystone(proxy).ls("")


def test_keystone_is_asked_through_no_proxy_of_the_environment(swift_server, monkeypatch):
    with FaultyProxy(swift_server.base) as keystone, FaultyProxy(swift_server.base) as other:
        monkeypatch.setenv("http_proxy", other.base)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(OSError, match="Keystone"):
            in_keystone(keystone).ls("")
        assert (keystone.count("POST"), other.seen) == (1, [])


def test_a_header_that_http_cannot_carry_is_told_of_without_the_token(fs, container):
    with pytest.raises(ValueError, match="HTTP cannot carry") as caught:
        fs.pipe_file(f"{container}/x", b"", content_type="a\nb")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [str(each.locals) for each in told.stack[1:]]
    assert not [each for each in frames if fs.objects.account.access.token.reveal() in each]
