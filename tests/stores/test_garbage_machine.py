"""Sweeping beside everything else: whatever comes between its steps, and wherever it dies, nothing that is referred to is ever missing."""

import contextlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from stores.conftest import Disk
from stores.stepwise import Killed, between_transactions, stepwise_stores

from metastore import Blob, Catalog, garbage
from metastore.errors import (
    ConflictError,
    KeyTakenError,
    MissingBytesError,
    NotFoundError,
    ValidationError,
    WrongBytesError,
)

NONE = timedelta(0)
REFUSED = (ConflictError, KeyTakenError, MissingBytesError, NotFoundError, ValidationError, WrongBytesError)
STEPS = ("quarantine", "delete", "abandon", "restore")
ACTIONS = (
    "upload",
    "attach",
    "add",
    "detach",
    "delete",
    "copy",
    "dump",
    "load",
    "broken upload",
    "orphan",
    "plan",
    "carry out",
    "sweep",
    "restore",
)


class Sweeping(RuleBasedStateMachine):
    """Two catalogues over two stores. What is asked of them is what they refer to, and of the disk whether it is there."""

    backend = "memory:"

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="garbage-"))
        self.depth, self.data, self.fuse, self.dead = 0, None, None, False
        self.plans, self.dumps, self.held, self.names, self.budget = [], [], False, 0, 0
        self.before = []

    @initialize()
    def begin(self):
        self.catalogs = [self.opened(number) for number in range(2)]
        self.orphan()
        self.patched = contextlib.ExitStack()
        self.patched.enter_context(between_transactions(self.between))

    def opened(self, number):
        stores = stepwise_stores(self.root, ("one", "two"), self.between)
        url = self.backend if self.backend == "memory:" else f"{self.root}/{number}.db"
        catalog = Catalog.open(url, types=[Disk], stores=stores, durability="normal")
        catalog._backend.catalogue = str(
            UUID(int=number)
        )  # keys begin by it, and what is drawn twice must be in one order
        return catalog

    # what comes between

    def between(self):
        """Die here, or let something else be done first."""
        if self.dead:
            raise Killed
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.dead = True
                raise Killed
        if (
            self.data is not None
            and self.depth < 2
            and any(getattr(each._local, "open", None) for each in self.catalogs) is False
        ):
            self.check()
            if self.budget and self.data.draw(st.integers(0, 4)) == 0:
                self.budget -= 1
                self.act(self.data.draw(st.sampled_from(ACTIONS)))

    def act(self, action):
        """Do one thing, refused or not."""
        self.depth += 1
        try:
            with contextlib.suppress(*REFUSED):
                getattr(self, action.replace(" ", "_"))()
        finally:
            self.depth -= 1

    def draw(self, *some):
        return self.data.draw(st.sampled_from(some))

    @rule(action=st.sampled_from(ACTIONS), data=st.data())
    def something(self, action, data):
        self.data, self.budget = data, 3
        self.act(action)
        self.data = None

    @rule(
        action=st.sampled_from(("upload", "attach", "copy", "carry out", "restore", "carry out")),
        after=st.integers(0, 60),
        data=st.data(),
    )
    def killed(self, action, after, data):
        self.data, self.budget, self.fuse = data, 1, after
        with contextlib.suppress(Killed):
            self.act(action)
        self.held |= self.dead
        self.data, self.fuse, self.dead, self.depth = None, None, False, 0

    # what is done

    def some(self):
        """Return a catalogue, and one of its artifacts, new if there is none."""
        number = self.draw(0, 1)
        catalog = self.catalogs[number]
        with self.quietly():
            found = list(catalog.find(Disk))
        return number, catalog, self.draw(*found, None)

    @contextlib.contextmanager
    def quietly(self):
        data, self.data = self.data, None
        yield
        self.data = data

    def target(self):
        number, catalog, disk = self.some()
        return number, catalog, disk or catalog.add(Disk(name=self.name()))

    def name(self):
        self.names += 1
        return str(self.names)

    def url(self):
        """Return the url of something that lies in a store, by one of its spellings."""
        lying = [each for each in self.everything() if all(each in some for some in self.before)]
        if not lying:
            raise NotFoundError("nothing lies there")
        path = str(self.draw(*lying))
        return self.draw(f"file://{path}", f"file://localhost{path}", "file://" + quote(path).replace("e", "%65"))

    @contextlib.contextmanager
    def uploading(self):
        """Let nobody know of a key before the reference to it is written: until then it is the uploader's alone."""
        self.before.append(self.everything())
        try:
            yield
        finally:
            self.before.pop()

    def everything(self):
        return [each for name in ("one", "two") for each in self.lying(name)]

    def lying(self, name):
        root = self.root / name
        found = (each for each in root.rglob("*") if each.is_file() and ".metastore-" not in str(each))
        return sorted(found, key=lambda each: each.name)

    def upload(self):
        _, catalog, disk = self.target()
        with self.uploading():
            catalog.upload(disk, "files", b"bytes", self.draw("one", "two"), key="a")

    def attach(self):
        _, catalog, disk = self.target()
        catalog.attach(disk, "files", self.url(), key=self.draw("b", "c"))

    def add(self):
        number, url = self.draw(0, 1), self.url()
        self.catalogs[number].add(Disk(name=self.name(), data=Blob(url)))

    def detach(self):
        _, catalog, disk = self.some()
        if disk is not None and disk.files:
            catalog.detach(disk, "files", key=min(disk.files))

    def delete(self):
        _, catalog, disk = self.some()
        if disk is not None:
            catalog.delete(disk)

    def copy(self):
        _, catalog, disk = self.some()
        if disk is not None and "a" in disk.files:
            with self.uploading():
                catalog.copy_blob(disk, "files", self.draw("one", "two"), key="a")

    def dump(self):
        number, catalog, disk = self.some()
        if disk is not None:
            self.dumps.append((1 - number, catalog.dump(disk)))

    def load(self):
        if self.dumps:
            number, record = self.draw(*self.dumps)
            self.catalogs[number].load(Disk, [record])

    def broken_upload(self):
        drive = self.catalogs[0].stores.drive(self.draw("one", "two"))
        with self.quietly():
            drive.begin("x/unfinished")

    def orphan(self):
        (self.root / "one" / f"left{len(list((self.root / 'one').iterdir()))}").write_bytes(b"bytes")

    def plan(self):
        self.plans.append(garbage.plan(self.catalogs, ["one", "two"], min_age=NONE, grace=NONE))

    def carry_out(self):
        if not self.plans or self.draw(True, False):
            self.plan()
        plan, steps = self.draw(*self.plans[-3:]), self.data.draw(st.sets(st.sampled_from(STEPS), min_size=1))
        self.swept(lambda said: garbage.carry_out(plan, self.catalogs, *steps, **said))

    def sweep(self):
        for step in ("quarantine", "delete"):
            self.plan()
            plan = self.plans[-1]
            self.swept(lambda said, plan=plan, step=step: garbage.carry_out(plan, self.catalogs, step, **said))

    def restore(self):
        keys = self.draw(None, [str(each.relative_to(self.root / "one")) for each in self.lying("one")])
        self.swept(lambda said: garbage.restore(self.catalogs, ["one", "two"], keys=keys, **said))

    def swept(self, act):
        """Sweep, over a dead run where there is one; a living one is waited for."""
        outermost = self.depth == 1
        act({"take_over": self.held and outermost})
        self.held = self.held and not outermost

    # what must be

    def referred(self):
        """Return the paths of everything that is referred to."""
        with self.quietly():
            disks = [disk for each in self.catalogs for disk in each.find(Disk)]
        blobs = [blob for disk in disks for blob in (disk.data, *disk.files.values()) if blob is not None]
        return {unquote(url.removeprefix("file://").removeprefix("localhost")) for blob in blobs for url in blob.urls}

    @invariant()
    def check(self):
        missing = [each for each in self.referred() if not Path(each).is_file()]
        assert not missing, "what is referred to is there"

    def teardown(self):
        if not hasattr(self, "catalogs"):
            return
        self.patched.close()
        self.data, self.fuse, self.dead = None, None, False
        try:
            self.swept_clean()
        finally:
            for each in self.catalogs:
                each.close()
            shutil.rmtree(self.root)

    def swept_clean(self):
        for _ in range(3):
            plan = garbage.plan(self.catalogs, ["one", "two"], min_age=NONE, grace=NONE)
            garbage.carry_out(plan, self.catalogs, "restore", "quarantine", "abandon", take_over=True)
            plan = garbage.plan(self.catalogs, ["one", "two"], min_age=NONE, grace=NONE)
            garbage.carry_out(plan, self.catalogs, "delete")
        self.check()
        left = {str(each) for name in ("one", "two") for each in (self.root / name).rglob("*") if each.is_file()}
        assert left == self.referred(), "every orphan is swept"


def sweep(backend, examples):
    machine = type("Machine", (Sweeping,), {"backend": backend})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None))


@pytest.mark.parametrize(("backend", "examples"), [("memory:", 20), ("sqlite", 6)])
def test_nothing_that_is_referred_to_is_ever_missing_and_every_orphan_is_swept(backend, examples):
    sweep(backend, examples)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "examples"), [("memory:", 500), ("sqlite", 100)])
def test_so_it_is_for_long(backend, examples):
    sweep(backend, examples)
