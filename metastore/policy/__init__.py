"""Who may do what: named rules in the syntax of oslo.policy, decided here and compiled into queries.

A rule is a tree of frozen nodes (`_rules`), read by `_read`. `_decide` makes a constant of what concerns the
caller and decides the rest for one artifact; `_where` makes a predicate of the rest, `_why` a sentence.
"""

from metastore.policy._policy import Policy
from metastore.policy._protections import Protection, Protections

__all__ = ["Policy", "Protection", "Protections"]
