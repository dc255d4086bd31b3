"""Filesystems on the run's Swift; python-swiftclient as the witness that shares no code with them."""

import uuid

import pytest
from servers.swift import KEY, USER

from metastore_swift import SwiftFileSystem


@pytest.fixture(scope="session")
def opened(swift_server):
    """A function that makes a filesystem, by tempauth unless told otherwise."""

    def made(**options):
        credentials = {"auth_url": swift_server.auth_url, "user": USER, "key": KEY}
        return SwiftFileSystem(skip_instance_cache=True, **{**credentials, **options})

    return made


@pytest.fixture(scope="session")
def fs(opened):
    return opened()


@pytest.fixture(scope="session")
def small(opened):
    """A filesystem that makes large objects of everything above a thousand bytes."""
    return opened(block_size=1000)


@pytest.fixture(scope="session")
def witness(swift_server):
    import swiftclient

    with swiftclient.Connection(swift_server.auth_url, USER, KEY, retries=2) as connection:
        yield connection


@pytest.fixture
def container(fs):
    """A container of the test's own."""
    name = f"c-{uuid.uuid4().hex[:12]}"
    fs.mkdir(name)
    yield name
    for each in (name, f"{name}_segments"):
        if fs.exists(each):
            fs.rm(each, recursive=True)


@pytest.fixture(scope="session")
def shared(fs):
    """A container that properties use, each example by names of its own or after emptying it."""
    name = f"s-{uuid.uuid4().hex[:12]}"
    fs.mkdir(name)
    return name
