"""Real servers for the tests, one of each kind for all workers of a run, with a new empty database for each test."""

from servers._clusters import Clustered
from servers._shared import Shared, common_folder
from servers._single import Mysql, Postgres

__all__ = ["Clustered", "Mysql", "Postgres", "Shared", "common_folder"]
