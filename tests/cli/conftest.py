"""A catalogue with a few images, and the command line to work on it."""

import json
import os
import pty
import subprocess
import sys
from types import SimpleNamespace
from typing import Literal

import pytest
from click.testing import CliRunner

from metastore import Artifact, Blob, Catalog, Field, Link, field
from metastore.cli._app import program


class Image(Artifact, type_name="images"):
    """A bootable disk image."""

    arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64", index=True)
    min_ram: Field[int] = field(default=0, ge=0, unit="MiB", mutable=True)
    bootable: Field[bool] = field(default=True)
    ratio: Field[float | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link["Image"] | None] = field(default=None)
    authors: Field[list[str]] = field(factory=list)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("METASTORE_CATALOG", raising=False)
    return tmp_path / "catalog.db"


@pytest.fixture
def images(path):
    """Three images: debian 12 and 13, and alpine, which has debian 12 for its parent."""
    with Catalog.open(str(path), types=[Image]) as catalog:
        disk = Blob("s3://images/debian-12.qcow2", size=345, sha256="9f" * 32)
        old = catalog.add(Image(name="debian", version="12.0.0", min_ram=512, tags=["lts"], disk=disk))
        new = catalog.add(Image(name="debian", version="13.0.0", min_ram=1024, properties={"os.name": "trixie"}))
        alpine = catalog.add(Image(name="alpine", version="3.20.0", arch="aarch64", parent=Link(old)))
    return SimpleNamespace(old=old, new=new, alpine=alpine)


@pytest.fixture
def metastore(path):
    """Return a function that runs the command line: ``.code``, ``.out``, ``.err``, ``.rows``, ``.json``."""

    def run(*arguments, **options):
        result = CliRunner().invoke(program, [str(each) for each in arguments], prog_name="metastore", **options)
        lines = result.stdout.splitlines()
        return SimpleNamespace(
            code=result.exit_code,
            out=result.stdout,
            err=result.stderr,
            rows=[line.split("\t") for line in lines],
            json=[json.loads(line) for line in lines] if "--json" in arguments else None,
        )

    return run


@pytest.fixture
def on_terminal():
    """Return a function that runs the program with a terminal for its output and returns its exit code and what it wrote there."""

    def run(*arguments, cwd):
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "metastore", *map(str, arguments)]
        with subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env={**os.environ, "COLUMNS": "200"}
        ) as process:
            os.close(slave)
            written = b""
            while chunk := _read(master):
                written += chunk
        os.close(master)
        return process.returncode, written.decode()

    return run


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so at the end of a terminal
        return b""
