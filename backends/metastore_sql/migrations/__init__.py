"""Migrations of a server's tables, by Alembic, in steps that an operator takes one at a time.

Expand
    adds what the new revision needs; programs of the old one do not notice, those of the new one can begin.
Backfill
    fills what is new for rows that were there, or that old programs wrote since, a batch at a time.
Contract
    takes away what only old programs needed, and shuts them out.

One step down undoes the last one. A revision is three scripts in ``versions``, named ``<revision>_<step>``; each runs in a transaction of
its own (MariaDB commits every DDL by itself, so a script there must bear to be run again). Whoever migrates holds a lock of the server,
so that two processes do it once; on Galera that lock is the node's, so go to one node.
"""

from metastore_sql.migrations._schema import STEPS, Schema, State

__all__ = ["STEPS", "Schema", "State"]
