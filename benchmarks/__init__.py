"""Measure `metastore` beside two hand-written `sqlite3` baselines and its peers."""
