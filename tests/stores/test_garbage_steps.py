"""Every step of a sweep, one after the other: somebody refers to the object there, or the process dies there. Exhaustive, where the state machine draws."""

from contextlib import suppress
from datetime import timedelta

import pytest
from stores.conftest import Disk
from stores.stepwise import Killed, between_transactions, stepwise_stores

from metastore import Blob, Catalog, garbage
from metastore.errors import ConflictError, StoreError

NONE = timedelta(0)
MOST = 400


class Sweep:
    """Two catalogues and an object that one referred to; what is to be done about it, and what happens at one step of that."""

    def __init__(self, root, act, at, happening):
        self.root, self.at, self.happening, self.count, self.dead = root, at, happening, -1, False
        self.reached = False
        stores = [stepwise_stores(root, ("one",), self.between) for _ in range(2)]
        self.catalogs = [Catalog.open("memory:", types=[Disk], stores=each) for each in stores]
        disk = self.catalogs[0].upload(self.catalogs[0].add(Disk(name="root")), "data", b"bytes")
        self.url, self.record, self.path = (
            disk.data.url,
            self.catalogs[0].dump(disk),
            disk.data.url.removeprefix("file://"),
        )
        self.catalogs[0].delete(disk)
        self.prepared(act)
        with between_transactions(self.between), suppress(Killed, ConflictError):
            self.count = 0
            self.done(act)
        self.count, self.dead = -1, False

    def prepared(self, act):
        if act != "quarantine":
            self.done("quarantine")

    def done(self, act):
        if act == "restore":
            return garbage.restore(self.catalogs, take_over=True)
        plan = garbage.plan(self.catalogs, min_age=NONE, grace=NONE)
        return garbage.carry_out(plan, self.catalogs, act, take_over=True)

    def between(self):
        if self.dead:
            raise Killed
        if self.count < 0 or any(getattr(each._local, "open", None) for each in self.catalogs):
            return
        self.count += 1
        if self.count == self.at + 1:
            before, self.count, self.reached = self.count, -1, True
            getattr(self, self.happening)()
            self.count = before
        self.check()

    # what happens

    def killed(self):
        self.dead = True
        raise Killed

    def loaded_first(self):
        self.refer(lambda: self.catalogs[0].add(Disk(name="again", data=Blob(self.url))))

    def loaded_second(self):
        record = {**self.record, "id": self.record["id"][:-12] + "0" * 12}
        self.refer(lambda: self.catalogs[1].load(Disk, [record]))

    def attached(self):
        disk = self.catalogs[1].add(Disk(name="other"))
        self.refer(lambda: self.catalogs[1].attach(disk, "data", self.url.replace("file://", "file://localhost")))

    def refer(self, write):
        """Refer to the object where it is there: by itself a row may refer to whatever its writer says."""
        if self.lies or self.happening == "attached" or self.marked:
            with suppress(ConflictError, StoreError):
                write()

    @property
    def marked(self):
        return any(each._types.has("metastore_garbage") for each in self.catalogs)

    @property
    def lies(self):
        return (self.root / "one" / self.path.partition("/one/")[2]).is_file()

    # what must be

    @property
    def referred(self):
        return any(
            each.count(Disk, Disk.data.url == url)
            for each in self.catalogs
            for url in (self.url, self.url.replace("file://", "file://localhost"))
        )

    def check(self):
        count, self.count = self.count, -1
        assert self.lies or not self.referred, f"what is referred to is not there, at step {count}"
        self.count = count

    def finished(self):
        """Sweep to the end, as an operator would after what happened."""
        self.check()
        for act in ("restore", "quarantine", "delete"):
            plan = garbage.plan(self.catalogs, min_age=NONE, grace=NONE)
            garbage.carry_out(plan, self.catalogs, act, take_over=True)
        self.check()
        files = [each for each in (self.root / "one").rglob("*") if each.is_file()]
        assert len(files) == self.referred
        for each in self.catalogs:
            each.close()


@pytest.mark.parametrize("happening", ["killed", "loaded_first", "loaded_second", "attached"])
@pytest.mark.parametrize("act", ["quarantine", "restore", "delete"])
def test_at_no_step_is_a_reference_left_without_bytes_nor_bytes_for_ever(tmp_path, act, happening):
    for at in range(MOST):
        (tmp_path / str(at)).mkdir()
        sweep = Sweep(tmp_path / str(at), act, at, happening)
        sweep.finished()
        if not sweep.reached:
            break
    assert 10 < at < MOST - 1
