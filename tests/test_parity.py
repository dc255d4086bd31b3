"""The page on parity: every rule has a verdict, and every test that it names is there."""

import re
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "parity.md"
ROW = re.compile(r"^\| (?P<rule>.+?) \| (?P<verdict>.+?) \| (?P<test>.+?) \|$")
VERDICT = re.compile(r"\*(same|better|refused|later)\*")
NAMED = re.compile(r"`(?P<path>[\w/.]*)::(?P<name>test_\w+)`")
SECTIONS = {"Glare": 12, "Glance": 10}

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="asks about the checkout, not the wheel")


def rows():
    """Yield (section, rule, verdict, test) of every row; the tables' heads are left out."""
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else ():
        if line.startswith("## "):
            section = line[3:]
        elif section and line.startswith("|") and not line.startswith(("| rule |", "| fault |", "|---")):
            found = ROW.match(line)
            yield section, *(found.groups() if found else (line, "", ""))


ROWS = list(rows())


@lru_cache
def defined(path):
    return set(re.findall(r"^ *def (test_\w+)", (TESTS / path).read_text(encoding="utf-8"), re.MULTILINE))


def homes(section, path):
    return path or f"parity/test_{section.partition(':')[0].lower()}_rules.py"


@pytest.mark.parametrize("product", SECTIONS)
def test_every_section_of_rules_has_its_table(product):
    sections = {section for section, *_ in ROWS if section.startswith(product)}
    assert len(sections) == SECTIONS[product]


@pytest.mark.parametrize(("section", "rule", "verdict", "test"), ROWS, ids=lambda each: each[:30])
def test_a_rule_has_a_verdict_and_says_why_it_is_refused_or_later(section, rule, verdict, test):
    found = VERDICT.match(verdict)
    assert found, f"{section}: {rule}"
    assert found[1] not in ("refused", "later") or len(verdict) > len(found[0]) + 10, f"{rule}: why?"


@pytest.mark.parametrize(("section", "rule", "verdict", "test"), ROWS, ids=lambda each: each[:30])
def test_a_rule_that_holds_is_shown_by_a_test_that_there_is(section, rule, verdict, test):
    named = NAMED.fullmatch(test)
    assert named or (test == "—" and verdict.startswith(("*later*", "*refused*"))), f"{section}: {rule}"
    assert named is None or named["name"] in defined(homes(section, named["path"])), test


def test_every_test_of_parity_is_named_on_the_page():
    named = {
        (homes(section, found["path"]), found["name"]) for section, *_, test in ROWS if (found := NAMED.match(test))
    }
    tests = {
        (f"parity/{path.name}", name)
        for path in TESTS.glob("parity/test_*.py")
        for name in defined(f"parity/{path.name}")
    }
    assert tests - named == set()
