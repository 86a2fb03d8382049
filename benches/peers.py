"""What somebody without trimtab would write: the `oom_score_adj` of Kubernetes 1.34 in plain Python.

It knows less than `trimtab.node` (no pod-level resources, no sidecars, no static pods, one release, nothing checked),
which only makes it faster. On the benchmark's pods both give the same.
"""

from collections.abc import Callable
from typing import Any

# The release and the memory that benches/src/pods.rs has too.
VERSION = "1.34"
MEMORY_BYTES = 64 * 1024**3

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
SHIFTS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}

Number = Callable[[str], Any]


def oom_score_adj(pod: dict[str, Any], name: str, memory_bytes: int, number: Number, one: int) -> int:
    """The value of the container `name`. `number` reads a quantity, in units of which `one` make a byte."""
    spec = pod["spec"]
    if spec.get("priorityClassName") == "system-node-critical":
        return -997
    match qos_class(spec, number):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    container = next(container for container in containers(spec) if container["name"] == name)
    request = container.get("resources", {}).get("requests", {}).get("memory", "0")
    return burstable(int(number(request) // one), memory_bytes)


def burstable(request_bytes: int, memory_bytes: int) -> int:
    """The formula alone, out of whole numbers."""
    return min(999, max(3, 1000 - 1000 * request_bytes // memory_bytes))


def qos_class(spec: dict[str, Any], number: Number) -> str:
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    guaranteed = True
    for container in containers(spec):
        resources = container.get("resources", {})
        add(requests, resources.get("requests", {}), number)
        guaranteed &= add(limits, resources.get("limits", {}), number) == 2
    if not requests and not limits:
        return BEST_EFFORT
    return GUARANTEED if guaranteed and requests == limits else BURSTABLE


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", [])]


def add(total: dict[str, Any], amounts: dict[str, str], number: Number) -> int:
    """Adds CPU and memory to the total, and says how many of the two there were."""
    found = 0
    for name in ("cpu", "memory"):
        if name in amounts and (amount := number(amounts[name])) > 0:
            total[name] = total.get(name, 0) + amount
            found += 1
    return found


def thousandths(quantity: str) -> int:
    """The fastest reader that gets the benchmark's pods right: whole numbers, thousandths, powers of 1024."""
    if quantity[-1] == "m":
        return int(quantity[:-1])
    if quantity[-1] == "i":
        return 1000 * int(quantity[:-2]) << SHIFTS[quantity[-2:]]
    return 1000 * int(quantity)
