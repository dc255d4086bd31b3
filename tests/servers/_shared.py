"""A server that all workers of a test run share: the first that needs it starts it, the last one ends it."""

import fcntl
import json
from contextlib import contextmanager
from pathlib import Path

from metastore_sql.trial import Home


def common_folder(tmp_path_factory, worker):
    """Return a directory that every worker of this run finds."""
    base = tmp_path_factory.getbasetemp()
    return base if worker == "master" else base.parent


class Shared:
    """A share in the server ``name``; ``start(home)`` starts it and returns what others must know of it, as JSON."""

    def __init__(self, folder, name, start, user="nobody"):
        self._note, self._lock = Path(folder, f"{name}.json"), Path(folder, f"{name}.lock")
        with self._alone():
            if self._note.exists():
                self.told = json.loads(self._note.read_text())
                self.home = Home(self.told["root"], user=user)
            else:
                self.home = Home(user=user)
                self.told = {"root": str(self.home.root), **self._started(start)}
                self._note.write_text(json.dumps(self.told))

    def _started(self, start):
        try:
            return start(self.home)
        except BaseException:
            self.home.close()
            raise

    @contextmanager
    def _alone(self):
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self):
        with self._alone():
            self.home.close()
            if not self.home.root.exists():
                self._note.unlink()
