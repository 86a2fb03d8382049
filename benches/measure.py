"""Measuring one side after the other, turn by turn."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

TURNS = 9
# A turn of these takes seconds.
FILE_TURNS = 5


class Wrong(Exception):
    """What is missing, or what disagrees, and what to do about it."""


@dataclass
class Pair:
    """What one piece of work costs trimtab and a peer, in nanoseconds, turn by turn."""

    name: str
    peer: str
    ours: list[float]
    theirs: list[float]

    def figures(self) -> dict[str, Any]:
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return {
            "name": self.name,
            "peer": self.peer,
            "trimtab_ns": round(statistics.median(self.ours), 1),
            "peer_ns": round(statistics.median(self.theirs), 1),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_least": round(min(ratios), 2),
            "ratio_most": round(max(ratios), 2),
        }


def turns(name: str, peer: str, measure: Callable[[Any], float], ours: Any, theirs: Any) -> Pair:
    pair = Pair(name, peer, [], [])
    for _ in range(TURNS):
        pair.ours.append(measure(ours))
        pair.theirs.append(measure(theirs))
    return pair


@dataclass
class Work:
    """A program's work on files, and what has to be done before each turn, which is not measured."""

    name: str
    command: list[str]
    before: Callable[[], object] = lambda: None


@dataclass
class Cost:
    """What a work took and used, turn by turn."""

    wall_seconds: list[float]
    cpu_seconds: list[float]
    peak_bytes: list[int]

    def figures(self) -> dict[str, float]:
        return {
            "wall_seconds": round(statistics.median(self.wall_seconds), 3),
            "wall_seconds_least": round(min(self.wall_seconds), 3),
            "cpu_seconds": round(statistics.median(self.cpu_seconds), 3),
            "peak_mb": round(max(self.peak_bytes) / 1e6, 1),
        }

    def times_as_fast_as(self, peer: "Cost") -> dict[str, float]:
        return {
            "wall_ratio": median_ratio(peer.wall_seconds, self.wall_seconds),
            "cpu_ratio": median_ratio(peer.cpu_seconds, self.cpu_seconds),
        }


def median_ratio(theirs: list[float], ours: list[float]) -> float:
    return round(statistics.median(their / our for their, our in zip(theirs, ours, strict=True)), 2)


def costs(usage: list[str], works: list[Work]) -> dict[str, Cost]:
    """Every work in each turn, one after the other; `usage` starts a command and reports what it used."""
    measured = {work.name: Cost([], [], []) for work in works}
    for _ in range(FILE_TURNS):
        for work in works:
            work.before()
            used = json.loads(run(*usage, *work.command))
            cost = measured[work.name]
            cost.wall_seconds.append(used["wall_seconds"])
            cost.cpu_seconds.append(used["cpu_seconds"])
            cost.peak_bytes.append(used["peak_bytes"])
    return measured


def calls(call: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> float:
    """Nanoseconds of CPU time a call."""
    start = process_time()
    for given in arguments:
        call(*given)
    return (process_time() - start) * 1e9 / len(arguments)


def nanoseconds_each(command: list[str], rounds: int, count: int) -> float:
    """Nanoseconds of CPU time for each of `count` pieces of work in a program that is told its number of rounds.

    What a run with a single round takes is left out: it starts, reads its file and warms up like the one with many.
    """
    many, single = (cpu_seconds([*command, str(number)]) for number in (rounds + 1, 1))
    return (many - single) * 1e9 / (rounds * count)


def best_round(command: list[str], rounds: int) -> float:
    """What the program itself measured by the clock, in the round that nothing disturbed."""
    return float(json.loads(run(*command, str(rounds)))["ns_per_parse_best_round"])


def cpu_seconds(command: list[str]) -> float:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise Wrong(f"{' '.join(command)}: exit {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}".rstrip())
    return done.stdout
