"""Six writers on one catalogue, something that happens to its servers meanwhile, and what has to be true afterwards."""

import json
import os
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import load_programs as programs
from histories import impossible, row

WRITERS = 6


class Load:
    """Writers at work. ``addresses`` are taken in turn, one per writer; the first one is where the rows are made."""

    def __init__(self, processes, start, addresses, timeout=60.0):
        self.ids = programs.prepare(addresses[0])
        self._stop, self._done = processes.Event(), processes.Array("l", WRITERS)
        self.began = time.monotonic()
        self._children = [
            start(programs.write, addresses[who % len(addresses)], self.ids, who, self._stop, self._done, timeout)
            for who in range(WRITERS)
        ]

    def every_writer_does(self, more, seconds=120.0):
        """Wait until each writer has finished so many more operations; return how long that took."""
        aims, began = [count + more for count in self._done], time.monotonic()
        while any(count < aim for count, aim in zip(self._done, aims, strict=True)):
            missing = [aim - count for count, aim in zip(self._done, aims, strict=True)]
            assert time.monotonic() < began + seconds, f"after {seconds} s the writers still miss {missing} operations"
            assert all(child.process.is_alive() for child in self._children), "a writer ended before it was told to"
            time.sleep(0.02)
        return time.monotonic() - began

    def kill(self):
        """End every writer, whatever it does; for a test that has failed."""
        for child in self._children:
            child.kill_after(0)

    def stop(self):
        """Let every writer finish what it does; return the `Outcome`."""
        self._stop.set()
        return Outcome([child.result() for child in self._children], self.ids, self.began)


class Outcome:
    """What all writers know together."""

    def __init__(self, told, ids, began):
        self.ids, self._began, self.told = ids, began, told
        self.errors = sum((each["errors"] for each in told), Counter())
        self.finished = sorted(span for each in told for span in each["finished"])

    def tokens(self, how, what):
        return {token for each in self.told for token in each[how][what]}

    def stalls(self, since=0.0):
        """Return the longest that one write or read took, and the longest that nobody finished anything, in seconds."""
        spans = [(began, ended) for began, ended in self.finished if ended >= since]
        ends = sorted(ended for _, ended in spans)
        silence = max((later - sooner for sooner, later in pairwise(ends)), default=0.0)
        return max((ended - began for began, ended in spans), default=0.0), silence

    def is_what_a_node_holds(self, address, mode="rw"):
        """Check one node: all that was acknowledged, nothing twice, sums exact, its own audit clean."""
        tokens, rows, faults = programs.stored(address, self.ids, mode)
        assert faults == [], address
        assert set(tokens.values()) <= {1}, f"done twice at {address}: {tokens.most_common(3)}"
        summed = self._check_tokens(set(tokens), address)
        assert rows[programs.SUM] == (summed + 1, summed), f"the sum of {summed} at {address} is {rows[programs.SUM]}"
        return tokens, rows

    def _check_tokens(self, found, address):
        for what in ("add", "transaction"):
            sure, perhaps = self.tokens("marked", what), self.tokens("unknown", what)
            gone = sure - found
            assert not gone, (
                f"acknowledged and gone from {address}: {len(gone)} of {len(sure)} ({what}), {self._when(gone, what)}"
            )
            found -= sure | perhaps if what == "add" else set()
        unasked = found - self.tokens("marked", "transaction") - self.tokens("unknown", "transaction")
        assert not unasked, f"never asked for, or surely undone: {sorted(unasked)[:5]}"
        return len(found)

    def _when(self, gone, what):
        """Say from when to when, in seconds since the begin, was acknowledged what is gone, and how much of that time is there."""
        times = {token: at - self._began for each in self.told for token, at in each["marked"][what].items()}
        first, last = min(times[each] for each in gone), max(times[each] for each in gone)
        kept = sum(first <= at <= last for token, at in times.items() if token not in gone)
        return f"acknowledged {first:.2f} to {last:.2f} s after the begin, when {kept} were that are there"

    def is_linearizable(self, rows):
        """Check every row's history, and that its end is what the nodes hold."""
        for name in programs.ROWS:
            history = [op for each in self.told for op in each["history"][name]]
            last = max((op.answered for op in history if op.answered), default=0.0) + 1.0
            history.append(programs.Op(last, last, ("read",), rows[name]))
            bad = impossible(history, (1, 0), row)
            assert bad is None, (name, bad, around(history, bad))

    def report(self, name, **more):
        """Print what happened, and write it to the file of results where METASTORE_RESULTS names one."""
        longest, silence = self.stalls()
        figures = {
            "what": name,
            "seconds": round(time.monotonic() - self._began, 1),
            "acknowledged": {what: len(self.tokens("marked", what)) for what in ("add", "transaction")},
            "row operations": sum(len(ops) for each in self.told for ops in each["history"].values()),
            "unknown": {what: len(self.tokens("unknown", what)) for what in ("add", "transaction")},
            "longest operation, seconds": round(longest, 2),
            "longest silence of all, seconds": round(silence, 2),
            "errors": dict(self.errors),
            **more,
        }
        sys.stderr.write(json.dumps(figures) + "\n")
        if "METASTORE_RESULTS" in os.environ:
            with Path(os.environ["METASTORE_RESULTS"]).open("a") as file:
                file.write(json.dumps(figures) + "\n")


def around(history, bad):
    """Return what went on at the time of an operation that cannot be explained."""
    return [
        op for op in history if op.called <= (bad.answered or op.called) and (op.answered or bad.called) >= bad.called
    ]
