"""The result: a table for people, then a line of JSON for programs."""

import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path

from measure import TURNS, Pair, run


def show(pairs: list[Pair], speeds: dict[str, float], pods: int, pod_bytes: int) -> None:
    machine, figures = about(), [pair.figures() for pair in pairs]
    print(", ".join(f"{what} {value}" for what, value in machine.items()))
    print(f"CPU time of one piece of work; medians of {TURNS} turns\n")
    print(f"{'':33}{'trimtab':>12}  {'peer':>11}  {'':30}times as fast")
    for row in figures:
        costs = f"{row['trimtab_ns']:9,.1f} ns  {row['peer_ns']:8,.1f} ns"
        spread = f"({row['ratio_least']} to {row['ratio_most']})"
        print(f"{row['name']:33}{costs}  {row['peer']:30}{row['ratio']:6.2f}  {spread}")
    print(f"\n{pods:,} pods of {pod_bytes:,} bytes, on one core:")
    for name, nanoseconds in speeds.items():
        print(f"{name:33}{nanoseconds:9,.1f} ns a pod, {1e9 / nanoseconds:11,.0f} pods a second")
    per_second = {name: round(1e9 / nanoseconds) for name, nanoseconds in speeds.items()}
    print(json.dumps({"machine": machine, "pairs": figures, "pods_per_second": per_second, "pod_bytes": pod_bytes}))


def about() -> dict[str, str]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pins = Path("tests/oracle/bench_quantity/go.mod").read_text()
    return {
        "CPU": f"{cpu[1] if cpu else platform.machine()} ({os.cpu_count()})",
        "load": f"{os.getloadavg()[0]:.1f}",
        "Rust": run("rustc", "--version").split()[1],
        "Go": run("go", "env", "GOVERSION").strip().removeprefix("go"),
        "Python": platform.python_version(),
        "apimachinery": re.findall(r"k8s\.io/apimachinery v(\S+)", pins)[0],
        "kubernetes client": metadata.version("kubernetes"),
    }
