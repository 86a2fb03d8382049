"""The results: tables for people, then a line of JSON for programs."""

import json
import os
import platform
import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from certificates import Certificates
from measure import FILE_TURNS, TURNS, Cost, Pair, run


@dataclass
class Group:
    """Works that belong together, by their names. Where they are compared, the first is trimtab's."""

    title: str
    costs: dict[str, Cost]
    compared: bool = True
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, object]]:
        return [{"name": name, **cost.figures(), **self.ratios(cost)} for name, cost in self.costs.items()]

    def ratios(self, cost: Cost) -> dict[str, float]:
        ours = next(iter(self.costs.values()))
        return ours.times_as_fast_as(cost) if self.compared and cost is not ours else {}


def show_certificates(measured: Certificates, openssl: str) -> None:
    versions = {"cryptography": metadata.version("cryptography"), "openssl": openssl}
    figures = show_pairs(about() | versions, measured.pairs)
    print(
        "\nin Rust, for each certificate: "
        + ", ".join(f"{work} {each / 1e3:.1f} µs" for work, each in measured.parts.items())
    )
    for note in measured.notes:
        print(note)
    print(json.dumps({"machine": about() | versions, "certificates": figures, "parts_ns": measured.parts}))


def show(pairs: list[Pair], speeds: dict[str, float], pods: int, pod_bytes: int) -> None:
    machine = about()
    figures = show_pairs(machine, pairs)
    print(f"\n{pods:,} pods of {pod_bytes:,} bytes, on one core:")
    for name, nanoseconds in speeds.items():
        print(f"{name:33}{nanoseconds:9,.1f} ns a pod, {1e9 / nanoseconds:11,.0f} pods a second")
    per_second = {name: round(1e9 / nanoseconds) for name, nanoseconds in speeds.items()}
    print(json.dumps({"machine": machine, "pairs": figures, "pods_per_second": per_second, "pod_bytes": pod_bytes}))


def show_pairs(machine: dict[str, str], pairs: list[Pair]) -> list[dict[str, object]]:
    figures = [pair.figures() for pair in pairs]
    print(", ".join(f"{what} {value}" for what, value in machine.items()))
    print(f"CPU time of one piece of work; medians of {TURNS} turns\n")
    print(f"{'':33}{'trimtab':>12}  {'peer':>11}  {'':30}times as fast")
    for row in figures:
        costs = f"{row['trimtab_ns']:9,.1f} ns  {row['peer_ns']:8,.1f} ns"
        spread = f"({row['ratio_least']} to {row['ratio_most']})"
        print(f"{row['name']:33}{costs}  {row['peer']:30}{row['ratio']:6.2f}  {spread}")
    return figures


def show_backups(groups: list[Group], etcd: str) -> None:
    print(f"backups of etcd {etcd}: processes, files in the page cache; medians of {FILE_TURNS} turns, load {load()}")
    show_groups(groups)
    print(json.dumps({"etcd": etcd, "load": load(), "backups": {group.title: group.rows() for group in groups}}))


def show_groups(groups: list[Group]) -> None:
    for group in groups:
        print(f"\n{group.title:40}{'wall s':>8} {'CPU s':>8} {'peak MB':>9}")
        for row in group.rows():
            costs = f"{row['wall_seconds']:8.3f} {row['cpu_seconds']:8.3f} {row['peak_mb']:9.1f}"
            print(f"{row['name']:40}{costs}{beaten(row)}")
        for note in group.notes:
            print(note)


def show_pruning(groups: list[Group], deletions: list[dict[str, Any]], kubernetes: str) -> None:
    print(f"pruning, on Kubernetes {kubernetes}: medians of what each process says of its own work, load {load()}")
    show_groups(groups)
    heads = f"{'limit':>8} {'deletes/s':>10} {'client CPU ms':>14} {'requests each':>14}"
    print(f"\n{'deletions of records of Helm':40}{heads}")
    for row in deletions:
        speeds = f"{row['rate'] or 'none':>8} {row['deletes_per_second']:10.1f}"
        print(f"{row['name']:40}{speeds} {row['client_cpu_ms']:14.3f} {row['requests']:14.2f}")
    figures = {group.title: group.rows() for group in groups}
    print(json.dumps({"kubernetes": kubernetes, "load": load(), "pruning": figures, "deletions": deletions}))


def beaten(row: dict[str, object]) -> str:
    if "wall_ratio" not in row:
        return ""
    return f"   trimtab is {row['wall_ratio']} times as fast by the clock, {row['cpu_ratio']} by CPU"


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def about() -> dict[str, str]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pins = Path("tests/oracle/bench_quantity/go.mod").read_text()
    return {
        "CPU": f"{cpu[1] if cpu else platform.machine()} ({os.cpu_count()})",
        "load": load(),
        "Rust": run("rustc", "--version").split()[1],
        "Go": run("go", "env", "GOVERSION").strip().removeprefix("go"),
        "Python": platform.python_version(),
        "apimachinery": re.findall(r"k8s\.io/apimachinery v(\S+)", pins)[0],
        "kubernetes client": metadata.version("kubernetes"),
    }
