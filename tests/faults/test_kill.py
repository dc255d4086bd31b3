"""kill -9 at random moments: nothing acknowledged is lost, nothing is half done."""

import json
import random

import fault_programs as programs
import pytest


def journalled(journal):
    """Return what was acknowledged, and the steps that were under way, from a child's journal."""
    written = journal.read_text() if journal.exists() else ""
    lines = written[: written.rfind("\n") + 1].splitlines()
    tried = [json.loads(line) for line in lines if line != "done"]
    done = lines.count("done")
    return tried[:done], tried[done:]


def survives(start, path, journal, model, chance):
    """Write, kill, open again; return the model after it, which is what is stored."""
    journal.unlink(missing_ok=True)
    child = start(programs.write_until_killed, str(path), str(journal), chance.random())
    wanted = chance.randrange(8)  # so that a crowded machine, too, kills more than programs that still open the file
    while len(journalled(journal)[0]) < wanted:
        child.process.join(0.002)
    child.kill_after(chance.uniform(0, 0.1))
    done, open_steps = journalled(journal)
    for steps in done:
        programs.apply(model, steps)
    possible = [dict(model)]
    for steps in open_steps:
        programs.apply(model, steps)
        possible.append(model)
    with programs.open_notes(path) as catalog:
        stored, faults = programs.state(catalog), catalog.check()
    assert faults == []
    assert stored in possible
    return stored, len(done)


def loops(start, tmp_path, rounds, seed):
    """Return how many operations were acknowledged over all rounds; a new file every 20."""
    chance, total = random.Random(seed), 0
    for at in range(rounds):
        if at % 20 == 0:
            model, path = {}, tmp_path / f"{at}.db"
        model, done = survives(start, path, tmp_path / "journal", model, chance)
        total += done
    return total


def test_what_was_acknowledged_survives_a_kill(start, tmp_path):
    assert loops(start, tmp_path, 6, seed=1) > 0


@pytest.mark.slow
def test_what_was_acknowledged_survives_200_kills(start, tmp_path, record_property):
    acknowledged = loops(start, tmp_path, 200, seed=2)
    record_property("acknowledged", acknowledged)
    assert acknowledged > 200
