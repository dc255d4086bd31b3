"""Large objects in numbered parts: in any order, gone on with by others, and never at the cost of what is published."""

import hashlib
import random

import pytest
from servers.swift import KEY, USER, Swift

from metastore_swift import SwiftFileSystem

PARTS = {number: hashlib.shake_256(bytes([number])).digest(100 + number) for number in range(1, 8)}
WHOLE = b"".join(PARTS.values())


def begun(fs, path, numbers=PARTS, content_type=None):
    """Begin an object and send some of its parts; return it, and the MD5s."""
    upload = fs.in_parts(path)
    assert upload.begin(content_type) == upload.upload
    return upload, {number: upload.send(number, PARTS[number]) for number in numbers}


def test_parts_come_in_any_order_and_are_one_object_at_the_end(fs, container):
    order = random.Random(1).sample(sorted(PARTS), len(PARTS))
    upload, md5s = begun(fs, f"{container}/ü ?#%/x", order, "text/x-disk")
    assert fs.find(container) == []
    upload.finish(md5s)
    entry = fs.info(f"{container}/ü ?#%/x")
    assert (fs.cat_file(entry["name"]), entry["kind"], entry["content_type"]) == (WHOLE, "slo", "text/x-disk")
    assert len(fs.find(f"{container}_segments")) == len(PARTS)


def test_by_its_id_another_goes_on(fs, opened, container):
    first, md5s = begun(fs, f"{container}/x", [1, 2, 5])
    second = opened().in_parts(f"{container}/x", first.upload)
    assert second.lying() == {number: (md5s[number], len(PARTS[number])) for number in (1, 2, 5)}
    md5s |= {number: second.send(number, PARTS[number]) for number in (3, 4, 6, 7)}
    second.finish(md5s)
    assert fs.cat_file(f"{container}/x") == WHOLE


@pytest.mark.parametrize("upload", ["0" * 32, "no id", "../" * 10])
def test_an_unknown_id_is_not_found(fs, container, upload):
    begun(fs, f"{container}/x", [1])
    with pytest.raises(FileNotFoundError):
        fs.in_parts(f"{container}/x", upload).lying()


def test_who_does_not_know_the_id_takes_a_copy_of_what_has_most(fs, container):
    begun(fs, f"{container}/x", [1])
    most, _ = begun(fs, f"{container}/x", [1, 2, 3], "text/x-disk")
    begun(fs, f"{container}/x y", [1, 2, 3, 4])
    taken = fs.in_parts(f"{container}/x")
    assert taken.take_up() == taken.upload != most.upload
    assert sorted(taken.lying()) == [1, 2, 3]
    md5s = {number: md5 for number, (md5, _) in taken.lying().items()}
    taken.finish(md5s)
    assert fs.cat_file(f"{container}/x") == PARTS[1] + PARTS[2] + PARTS[3]
    assert fs.info(f"{container}/x")["content_type"] == "text/x-disk"
    assert {each["name"].rsplit("/", 2)[1] for each in fs.orphans(container, -60)} >= {most.upload}


def test_where_nothing_was_begun_nothing_is_taken_up(fs, small, container):
    assert fs.in_parts(f"{container}/x").take_up() is None
    with small.open(f"{container}/x", "wb") as file:
        file.write(WHOLE * 5)  # segments of another kind of upload
    assert fs.in_parts(f"{container}/x").take_up() is None


def test_of_two_who_finish_one_does_and_the_other_harms_nothing(fs, container):
    first, md5s = begun(fs, f"{container}/x")
    second = fs.in_parts(f"{container}/x")
    second.take_up()
    first.finish(md5s)
    with pytest.raises(FileExistsError):
        second.finish(md5s)
    second.abandon()
    assert fs.cat_file(f"{container}/x") == WHOLE


def test_of_two_who_finish_at_once_and_are_both_let_the_later_one_counts(fs, container):
    (first, md5s), (second, _) = (begun(fs, f"{container}/x") for _ in range(2))
    second.finish(md5s)
    fs.objects.account.ask("DELETE", container, "x")  # as if neither had seen the other's
    first.finish(md5s)
    second.abandon()
    assert fs.cat_file(f"{container}/x") == WHOLE


def test_what_was_finished_and_whose_answer_was_lost_is_finished_again_and_never_abandoned(fs, container):
    upload, md5s = begun(fs, f"{container}/x")
    upload.finish(md5s)
    again = fs.in_parts(f"{container}/x", upload.upload)
    again.finish(md5s)
    again.abandon()
    assert fs.cat_file(f"{container}/x") == WHOLE


def test_what_is_abandoned_leaves_nothing(fs, container):
    upload, _ = begun(fs, f"{container}/x")
    upload.abandon()
    assert fs.find(f"{container}_segments") == []
    with pytest.raises(FileNotFoundError):
        upload.lying()


def test_what_lies_there_is_not_overwritten(fs, container):
    fs.pipe_file(f"{container}/x", b"first")
    upload, md5s = begun(fs, f"{container}/x")
    with pytest.raises(FileExistsError):
        upload.finish(md5s)
    assert fs.cat_file(f"{container}/x") == b"first"


def test_a_part_that_is_another_than_said_makes_no_object(fs, container):
    upload, md5s = begun(fs, f"{container}/x")
    with pytest.raises(OSError, match="400"):
        upload.finish({**md5s, 2: md5s[1]})
    assert not fs.exists(f"{container}/x")


def test_more_parts_than_a_manifest_takes_are_manifests_of_manifests():
    server = Swift(max_segments=2)
    try:
        fs = SwiftFileSystem(skip_instance_cache=True, auth_url=server.auth_url, user=USER, key=KEY)
        fs.mkdir("c")
        upload, md5s = begun(fs, "c/x")
        upload.finish(md5s)
        assert fs.cat_file("c/x") == WHOLE
        fs.rm_file("c/x")
        assert fs.find("c_segments") == []
    finally:
        server.close()
