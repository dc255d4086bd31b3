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

    connection = swiftclient.Connection(swift_server.auth_url, USER, KEY, retries=2)
    yield connection
    connection.close()


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
def shared(opened):
    """A container for tests and examples that use names of their own in it."""
    name = f"s-{uuid.uuid4().hex[:12]}"
    opened().mkdir(name)
    return name
