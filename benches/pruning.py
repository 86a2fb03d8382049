"""Pruning of history: the plan over many rows, dumps, lists of a real API server, and deletions there.

The peers are what one would write without trimtab: the controller's rule in Python over a dump (`replica_sets.py`), and
kube-rs's own list and deletion in a loop. Results are compared first: the same ReplicaSets go, as many Secrets are
listed, and the same ones are left.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import replica_sets
from measure import Cost, Work, Wrong, costs, run
from table import Group

# The test kit's.
KUBERNETES = "1.37.2"
# So many rows; how the time grows is seen at all of them, the goal holds for the last.
ROWS = (125_000, 250_000, 500_000, 1_000_000)
QUICK_ROWS = (62_500, 125_000, 250_000)
GOAL_CPU_SECONDS = 2.0
PLAN_TURNS = 5
# ReplicaSets in a dump.
DUMPED, QUICK_DUMPED = 100_000, 10_000
# Records of Helm in a cluster.
LISTED, QUICK_LISTED = (10_000, 50_000), (2_000, 10_000)
VERSIONS = 10
PAYLOAD_BYTES = 3_000
LIST_TURNS = 3
# Deletions, and how many of them in a second; 0 is no limit.
DELETED = {50: 1_000, 200: 3_000, 0: 5_000}
QUICK_DELETED = {50: 500, 200: 1_000, 0: 1_000}

RULE = [sys.executable, replica_sets.__file__]


@dataclass
class Pruned:
    """What was measured."""

    groups: list[Group]
    deletions: list[dict[str, Any]]


def measure(bench: str, plane: str, quick: bool) -> Pruned:
    with TemporaryDirectory(prefix="trimtab-bench-") as temporary:
        folder = Path(temporary)
        groups = [plan(bench, QUICK_ROWS if quick else ROWS), *dump(bench, folder, QUICK_DUMPED if quick else DUMPED)]
        with Plane(plane) as server:
            groups += lists(bench, server, QUICK_LISTED if quick else LISTED)
        with Plane(plane) as server:
            deletions = list(deleted(bench, server, folder, QUICK_DELETED if quick else DELETED))
    return Pruned(groups, deletions)


class Plane:
    """An API server on an etcd of its own. It ends with the `with`, or with this process."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __enter__(self) -> "Plane":
        progress("starting an API server")
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.kubeconfig = self.process.stdout.readline().strip()
        if not self.kubeconfig:
            self.__exit__(None, None, None)
            raise Wrong(f"{self.program} started no API server; its own words stand above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate()


def ask(*command: str) -> Any:
    return json.loads(run(*command))


def progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def cost(turns: list[Any]) -> Cost:
    """What a program said of its own work, turn by turn."""
    wall, cpu, peak = ([turn[what] for turn in turns] for what in ("wall_seconds", "cpu_seconds", "peak_bytes"))
    return Cost(wall, cpu, peak)


# --- plans


def plan(bench: str, sizes: tuple[int, ...]) -> Group:
    """The plan alone: not the making of its rows, nor its end. The memory is of all three."""
    group = Group("plan over ReplicaSets, 20 of each Deployment", {}, compared=False)
    for size in sizes:
        progress(f"planning over {size:,} rows")
        said = [ask(bench, "rows", str(size)) for _ in range(PLAN_TURNS)]
        group.costs[f"{size:,}, of which {said[0]['deleted']:,} go"] = cost(said)
        each = {part: statistics.median(turn[f"{part}_bytes"] for turn in said) / size for part in ("rows", "plan")}
        group.notes.append(
            f"{size:,}: {each['rows']:,.0f} bytes for a row, {each['plan']:,.0f} more for what the plan says of it"
        )
    medians = [statistics.median(cost.cpu_seconds) for cost in group.costs.values()]
    times = medians[-1] / medians[0] / (sizes[-1] / sizes[0])
    group.notes.append(f"a row costs {times:.2f} times as much at {sizes[-1]:,} as at {sizes[0]:,} (goal: 1, linear)")
    if sizes[-1] == ROWS[-1]:
        group.notes.append(f"{sizes[-1]:,} take {medians[-1]:.2f} s on one core (goal: {GOAL_CPU_SECONDS:.0f} s)")
    return group


def dump(bench: str, folder: Path, count: int) -> Iterator[Group]:
    progress(f"writing a dump of {count:,} ReplicaSets")
    file = folder / "dump.json"
    replica_sets.write(file, count)
    size = file.stat().st_size
    ours, theirs = ask(bench, "plan", str(file)), ask(*RULE, "plan", str(file))
    if ours["deleted"] != theirs:
        raise Wrong(f"of {file} trimtab deletes {len(ours['deleted'])}, the rule in Python {len(theirs)}: not compared")
    progress("measuring dumps")
    reading = [Work("trimtab, read", [bench, "read", str(file)]), Work("json.load", [*RULE, "read", str(file)])]
    planning = [
        Work("trimtab, planned", [bench, "plan", str(file)]),
        Work("json.load, the rule in Python", [*RULE, "plan", str(file)]),
    ]
    measured = costs([bench, "usage"], [*reading, *planning])
    what = f"dump of {count:,} ReplicaSets, {size / 1e6:,.0f} MB"
    read, planned = (
        Group(f"{what}, {done}", {work.name: measured[work.name] for work in works})
        for done, works in (("read", reading), ("planned", planning))
    )
    for name, cost in read.costs.items():
        read.notes.append(f"{name}: {size / 1e6 / statistics.median(cost.cpu_seconds):,.0f} MB in a second")
    planned.notes.append(f"both delete the same {len(theirs):,}")
    yield from (read, planned)


# --- a real API server


def lists(bench: str, server: Plane, sizes: tuple[int, ...]) -> Iterator[Group]:
    """In a process each, with what stays and what passes: a page at a time of one, the whole list of the other."""
    works = {"trimtab observe, in pages": "observe", "kube-rs Api::list, whole": "list"}
    for there, size in zip((0, *sizes), sizes, strict=False):
        fill(bench, server, size, there)
        progress(f"measuring lists of {size:,}")
        group = Group(f"list of {size:,} records of Helm", {})
        told: dict[str, list[Any]] = {name: [] for name in works}
        for _ in range(LIST_TURNS):
            for name, work in works.items():
                told[name].append(ask(bench, work, server.kubeconfig))
        for name, turns in told.items():
            if any(turn["records"] != size for turn in turns):
                raise Wrong(f"{name} lists {turns[0]['records']:,} records, and there are {size:,}")
            group.costs[name] = cost(turns)
            passing, kept = (statistics.median(turn[f"{part}_bytes"] for turn in turns) for part in ("passing", "kept"))
            group.notes.append(
                f"{name}: {kept / size:,.0f} bytes stay for each, {passing / 1e6:.1f} MB passed by beside them"
            )
        yield group


def fill(bench: str, server: Plane, records: int, there: int) -> None:
    progress(f"filling it with {records - there:,} records of Helm")
    first, last = there // VERSIONS, records // VERSIONS
    run(bench, "fill", server.kubeconfig, str(first), str(last), str(VERSIONS), str(PAYLOAD_BYTES))


def deleted(bench: str, server: Plane, folder: Path, counts: dict[int, int]) -> Iterator[dict[str, Any]]:
    for rate, count in counts.items():
        releases = count // (VERSIONS - 1)
        for name in ("trimtab apply", "kube-rs delete"):
            fill(bench, server, releases * VERSIONS, 0)
            progress(f"measuring {name} at {rate or 'any'} in a second")
            if name == "trimtab apply":
                said = ask(bench, "prune", server.kubeconfig, str(folder / f"journal-{rate}"), str(rate))
            else:
                said = ask(bench, "delete", server.kubeconfig, str(rate))
            left = ask(bench, "sweep", server.kubeconfig)["deleted"]
            if (said["deleted"], left) != (releases * (VERSIONS - 1), releases):
                raise Wrong(
                    f"{name} deleted {said['deleted']:,} and left {left:,} of {releases:,} times {VERSIONS} records"
                )
            yield {
                "name": name,
                "rate": rate,
                "deleted": said["deleted"],
                "deletes_per_second": round(said["deleted"] / said["wall_seconds"], 1),
                "client_cpu_ms": round(said["cpu_seconds"] * 1e3 / said["deleted"], 3),
                "requests": round(said["requests"] / said["deleted"], 2),
            }
