"""What the servers say, in the words of `metastore.errors`."""

from __future__ import annotations
