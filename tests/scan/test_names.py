"""Names with bytes that are no UTF-8."""

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from metastore.scan._names import readable

raw_names = st.binary(min_size=1, max_size=40).map(os.fsdecode)


@given(raw_names)
def test_a_readable_name_is_valid_unicode(name):
    readable(name)[0].encode()


@given(raw_names)
def test_nothing_of_a_name_is_lost(name):
    text, escaped = readable(name)
    raw = (
        re.sub(rb"%([0-9A-F]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode())
        if escaped
        else text.encode()
    )
    assert raw == os.fsencode(name)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_an_ordinary_name_stays_as_it_is(name):
    assert readable(name) == (name, False)
