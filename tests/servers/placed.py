"""The exams on a server: every folder of a test has an empty place of its own there."""

import pytest

from metastore_sql import open_backend


class Placed:
    """For subclasses of the suites; ``server`` names the fixture that gives empty places."""

    server = ""

    @pytest.fixture(autouse=True)
    def _server(self, request):
        self._place, self._places = request.getfixturevalue(self.server), {}

    def address(self, folder):
        if folder not in self._places:
            self._places[folder] = self._place()
        return self._places[folder]

    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(self.address(tmp_path), mode=mode, durability="normal", timeout=60.0)

    def url(self, tmp_path):
        return self.address(tmp_path)

    def lasts(self):
        return True
