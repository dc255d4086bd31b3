"""fsspec's own suite for filesystems, on a real Swift."""

import uuid

import pytest
from fsspec.tests import abstract


class SwiftFixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, fs):
        return fs

    @pytest.fixture
    def fs_path(self, shared):
        return f"{shared}/{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(str(part) for part in parts)

    @pytest.fixture
    def supports_empty_directories(self):
        return False


class TestCopy(abstract.AbstractCopyTests, SwiftFixtures):
    pass


class TestGet(abstract.AbstractGetTests, SwiftFixtures):
    pass


class TestPut(abstract.AbstractPutTests, SwiftFixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, SwiftFixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, SwiftFixtures):
    pass
