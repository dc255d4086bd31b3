"""The query algebra as text and as JSON: OGC CQL2 (21-065r2), with functions of ours where it has none.

Both forms are spellings of one small syntax (`_syntax`): text is read by `_text`, JSON by `_json`;
what a spelling means is said once, in `_read`, and back in `_write`. Only reading text needs the
package lark.
"""

from metastore.cql2._json import parse_json, print_json
from metastore.cql2._text import parse_text, print_text

__all__ = ["parse_json", "parse_text", "print_json", "print_text"]
