"""Objects told of by listings: the same as they tell of themselves, in fewer requests."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers.faulty import FaultyProxy

from metastore_swift._listed import _just_before

NAMES = [f"a/{at:03d}" for at in range(250)]
ODD = ["é", "a?b#c%20d", "\x01", "\ue000", "\U0010ffff", "a//b", "/lead", " ", "ab", "a", "a\x7f"]


@pytest.fixture(scope="module")
def stored(fs, opened):
    """A container with more objects than a page of its listing has, by name."""
    fs.mkdir("listed")
    fs.pipe({f"listed/{name}": name.encode() for name in [*NAMES, *ODD]})
    yield "listed"
    fs.rm("listed", recursive=True)


@pytest.fixture
def watched(opened, swift_server):
    """A filesystem whose requests are seen."""
    with FaultyProxy(swift_server.base) as proxy:
        fs = opened(storage_url=swift_server.storage_url.replace(swift_server.base, proxy.base))
        fs.objects.account.limit("swift", "container_listing_limit", 0)
        proxy.seen.clear()
        yield fs, proxy


def plain(entry):
    return {
        name: entry[name] for name in ("name", "size", "type", "kind", "etag", "md5", "content_type", "last_modified")
    }


def test_they_are_told_of_as_they_tell_of_themselves(fs, stored):
    paths = [f"{stored}/{name}" for name in [*ODD, NAMES[7]]]
    assert {path: plain(entry) for path, entry in fs.entries(paths).items()} == {
        path: plain(fs.info(path)) for path in paths
    }


def test_neighbours_take_a_request_for_each_page(watched, stored):
    fs, proxy = watched
    assert len(fs.entries(f"{stored}/{name}" for name in NAMES)) == len(NAMES)
    assert [verb for verb, _ in proxy.seen] == ["GET"] * 3


def test_what_lies_between_is_passed_over(watched, stored):
    fs, proxy = watched
    assert list(fs.entries([f"{stored}/{NAMES[-1]}", f"swift://{stored}/{NAMES[0]}"])) == [
        f"{stored}/{NAMES[0]}",
        f"{stored}/{NAMES[-1]}",
    ]
    assert len(proxy.seen) == 2


def test_where_a_listing_tells_too_little_the_objects_are_asked(watched, stored, monkeypatch):
    monkeypatch.setattr("metastore_swift._listed.WORTH", 10)
    fs, proxy = watched
    assert len(fs.entries(f"{stored}/{name}" for name in NAMES[::25])) == 10
    assert (proxy.count("GET"), proxy.count("HEAD")) == (1, 6)


def test_what_is_not_there_is_left_out(fs, stored):
    assert fs.entries(["no-such-container/a", f"{stored}/none", f"{stored}/{NAMES[3]}/", f"{stored}/a", f"{stored}/zz", f"{stored}/{NAMES[3][:-1]}"]).keys() == {f"{stored}/a"}  # fmt: skip


def test_large_ones_and_empty_ones_are_told_truly(fs, small, container, witness):
    small.pipe(f"{container}/slo", bytes(3000))
    fs.pipe({f"{container}/empty": b"", f"{container}/parts/1": b"12345"})
    fs.pipe_file(f"{container}/marker", b"", content_type="application/directory")
    witness.put_object(container, "dlo", b"", headers={"X-Object-Manifest": f"{container}/parts/"})
    found = fs.entries([f"{container}/{name}" for name in ("slo", "empty", "dlo", "marker")])
    told = {path.partition("/")[2]: (entry["kind"], entry["size"], entry["md5"]) for path, entry in found.items()}
    assert told == {"slo": ("slo", 3000, None), "empty": ("object", 0, fs.info(f"{container}/empty")["md5"]), "dlo": ("dlo", 5, None)}  # fmt: skip


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4)


@given(TEXT)
def test_what_is_just_before_a_name_sorts_before_it(name):
    before = _just_before(name)
    assert before.encode() < name.encode()
    assert before == name[:-1] or before[:-2] == name[:-1]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from([*NAMES, *ODD, "none", "a/0", "a/1000", "zz"])))
@example({"a/000", "a/001", "\ue000"})  # the last one is asked itself, which tells more than a listing does
def test_whatever_is_asked_for_it_is_what_a_whole_listing_has(fs, stored, names):
    whole = fs.find(stored, detail=True)
    asked = [f"{stored}/{name}" for name in names]
    found = {path: plain(entry) for path, entry in fs.entries(asked).items()}
    assert found == {path: plain(whole[path]) for path in asked if path in whole}
