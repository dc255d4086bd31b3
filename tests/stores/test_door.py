"""One door for every fetch: found by an audit hook on what the interpreter opens and connects to, not by a list of functions (S04, S17, S40)."""

import contextlib
import inspect
import sys
import threading

import pytest

from metastore import Blob, Catalog, Location
from metastore.builtin.images import Image
from metastore.errors import HostileFormatError, MetastoreError
from metastore.stores import Store, Stores

SECRET = "what nobody may read"
OUTSIDE = ["169.254.169.254", "127.0.0.1", "localhost", "[::1]", "10.1.2.3", "0x7f000001"]


class Watch:
    """What the interpreter opened, connected to and started while somebody looked."""

    def __init__(self):
        self.looking, self.seen = threading.local(), []
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if getattr(self.looking, "on", False):
            if event == "open" and isinstance(args[0], str | bytes):
                self.seen.append((event, str(args[0])))
            elif event in (
                "socket.connect",
                "socket.getaddrinfo",
                "subprocess.Popen",
                "os.system",
                "os.exec",
                "os.posix_spawn",
            ):
                self.seen.append((event, repr(args)))

    def __enter__(self):
        self.seen.clear()
        self.looking.on = True
        return self.seen

    def __exit__(self, *_):
        self.looking.on = False


WATCH = Watch()


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


def hostile(tmp_path, root):
    """Urls that must neither be opened nor connected to."""
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    below = f"file://{root}"
    paths = [
        f"{below}/../secret",
        f"{below}/%2e%2e/secret",
        f"{below}/%252e%252e/secret",
        f"{below}/link",
        f"{below}/folder/secret",
    ]
    chains = [
        f"simplecache::file://{tmp_path}/secret",
        f"zip://secret::file://{tmp_path}/x.zip",
        f"reference://::file://{tmp_path}/secret",
    ]
    others = [
        f"file://{tmp_path}/secret",
        f"local://{tmp_path}/secret",
        "ftp://127.0.0.1/a",
        "smb://127.0.0.1/a",
        "github://o:r@main/a",
    ]
    return [*paths, *chains, *others, *(f"{scheme}://{host}/a" for host in OUTSIDE for scheme in ("http", "https"))]


def calls(catalog, artifact, url):
    """Call every public method of a catalogue that takes an artifact or a url, as far as it can be called."""
    known = {
        "artifact": artifact,
        "field": "data",
        "url": url,
        "type": type(artifact),
        "store": "one",
        "source": b"x",
        "id": artifact.id,
    }
    more = {
        "size": 1,
        "sha256": "00" * 32,
        "unverified": True,
        "artifacts": [artifact],
        "records": [],
        "ids": [artifact.id],
    }
    for name, method in inspect.getmembers(catalog, callable):
        if name.startswith("_") or name in ("open", "close", "migrate", "transaction", "delete", "delete_many", "run"):
            continue
        wanted = inspect.signature(method).parameters.values()
        given = {each.name: {**known, **more}[each.name] for each in wanted if each.name in {**known, **more}}
        bare = [given.pop(each.name) for each in wanted if each.kind is each.POSITIONAL_ONLY and each.name in given]
        yield name, lambda method=method, bare=bare, given=given: method(*bare, **given)


def consumed(result):
    """Take what a lazy result gives."""
    if hasattr(result, "read"):
        with result:
            return result.read()
    return list(result) if inspect.isgenerator(result) else result


def test_no_public_method_opens_or_connects_to_what_a_hostile_reference_names(tmp_path, secret, opened, add):
    root = tmp_path / "root"
    root.mkdir()
    catalog = opened(Store("one", f"file://{root}"), Store("web", "https://"), Store("plain", "http://"))
    called, wrong = set(), []
    for url in hostile(tmp_path, root):
        artifact = add(catalog, name=url, data=Blob.from_plain({"locations": [{"url": url}], "size": len(SECRET)}))
        for name, call in calls(catalog, artifact, url):
            with WATCH as seen:
                try:
                    got = consumed(call())
                except (MetastoreError, TypeError, ValueError):
                    got = None
            called.add(name)
            wrong += [(name, url, each) for each in seen if each[0] != "open" and each[0] != "socket.getaddrinfo"]
            wrong += [(name, url, each) for each in seen if each[1].endswith("/secret")]
            if isinstance(got, bytes):
                wrong.append((name, url, got))
    assert wrong == []
    assert {"attach", "open_blob", "verify", "verify_many", "copy_blob", "download_url", "upload"} <= called


def test_without_stores_nothing_is_ever_opened_or_looked_up(tmp_path, secret, opened, add):
    catalog = opened()
    urls = [f"file://{secret}", "https://a.example/b", "http://127.0.0.1/", "s3://b/k", "swift://c/o"]
    artifact = add(catalog, data=Blob(size=1, sha256="00" * 32, locations=[Location(url) for url in urls]))
    with WATCH as seen:
        for _, call in calls(catalog, artifact, urls[0]):
            with contextlib.suppress(MetastoreError, TypeError, ValueError):
                consumed(call())
    assert [each for each in seen if each[0] != "open" or str(secret) in each[1]] == []


def test_the_watch_sees_what_it_is_to_see(tmp_path, secret, opened, add):
    catalog = opened(Store("one", f"file://{tmp_path}"))
    made = catalog.attach(add(catalog), "data", f"file://{secret}")
    with WATCH as seen:
        assert catalog.open_blob(made, "data", unverified=True).read().decode() == SECRET
    assert ("open", "secret") in seen


def test_no_program_is_started_on_a_payload(made, opened, add):
    catalog = opened(made("file"), made("file", "two"))
    body = b"#!/bin/sh\ntouch /tmp/x\n" + b"QFI\xfb" * 10
    with WATCH as seen:
        disk = catalog.upload(add(catalog), "data", body, "one")
        consumed(catalog.open_blob(disk, "data"))
        catalog.verify(disk)
        catalog.copy_blob(disk, "data", "two")
    assert [each for each in seen if each[0] != "open"] == []


def test_no_program_is_started_on_a_disk_image(made):
    pytest.importorskip("oslo_utils.imageutils")
    with Catalog.open("memory:", types=[Image], stores=Stores([made("file")])) as catalog:
        image = catalog.add(Image(name="i", disk_format="raw", container_format="bare"))
        with WATCH as seen:
            image = catalog.upload(image, "image", b"just bytes" * 10_000)
            catalog.verify(image)
            with pytest.raises(HostileFormatError):
                catalog.upload(image, "image", b"QFI\xfb\0\0\0\x03".ljust(2**17, b"\0"))
        assert [each for each in seen if each[0] != "open"] == []


def test_importing_stores_opens_no_driver():
    import subprocess

    code = "import sys, metastore, metastore.stores; print(sorted({'fsspec', 's3fs', 'botocore', 'aiohttp', 'yaml', 'ssl'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_catalogue_without_stores_does_not_load_them(tmp_path):
    import subprocess

    code = "import sys, metastore; metastore.Catalog.open('memory:').close(); print([n for n in sys.modules if n.startswith('metastore.stores')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stores_are_the_only_room_that_reaches_out():
    """What may open a socket, or another's file system, stands in one package."""
    import ast
    from pathlib import Path

    import metastore

    root = Path(metastore.__file__).parent
    reaching = {
        "socket",
        "http.client",
        "urllib.request",
        "fsspec",
        "requests",
        "urllib3",
        "aiohttp",
        "httpx",
        "s3fs",
        "ftplib",
    }
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if reaching & {*names, *(name.split(".")[0] for name in names)}:
                found.add(path.relative_to(root).parts[0])
    assert found == {"stores"}
