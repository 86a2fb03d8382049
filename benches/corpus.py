"""The input of the benchmarks: the same for everyone, because it is made from a seed."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

SEED = 20_240_229
GIB = 1024**3

# What stands in the pods and nodes of real clusters, by how often: CPU in thousandths and in cores, memory in powers of
# 1024, some in powers of 1000, plain bytes and exponents, the billionths that metrics-server reports, and big ones.
QUANTITIES: list[tuple[int, Callable[[Random], str]]] = [
    (30, lambda random: f"{50 * whole(random, 1, 39)}m"),
    (4, lambda random: f"{whole(random, 1, 7999)}m"),
    (11, lambda random: str(whole(random, 1, 96))),
    (6, lambda random: f"0.{whole(random, 1, 9)}"),
    (2, lambda random: f"{whole(random, 1, 7)}.5"),
    (20, lambda random: f"{2 ** whole(random, 4, 12)}Mi"),
    (4, lambda random: f"{whole(random, 1, 9999)}Mi"),
    (10, lambda random: f"{whole(random, 1, 64)}Gi"),
    (4, lambda random: f"{whole(random, 1_000_000, 800_000_000)}Ki"),
    (2, lambda random: f"{whole(random, 1, 3)}.5Gi"),
    (2, lambda random: f"{whole(random, 100, 4000)}M"),
    (2, lambda random: str(whole(random, 1, 64 * GIB))),
    (1, lambda random: f"{whole(random, 1, 9)}e{whole(random, 2, 9)}"),
    (1, lambda random: f"{whole(random, 1, 999_999_999)}n"),
    (1, lambda random: f"{whole(random, 1, 400)}Ti"),
]


def whole(random: Random, low: int, high: int) -> int:
    """Every Python gives the same out of `random()`; it promises that of no other function."""
    return low + int(random.random() * (high - low + 1))


def quantities(count: int) -> list[str]:
    random = Random(SEED)
    drawn = [make for weight, make in QUANTITIES for _ in range(weight)]
    return [drawn[whole(random, 0, len(drawn) - 1)](random) for _ in range(count)]


def pods(count: int) -> Iterator[dict[str, Any]]:
    """Manifests of about a kilobyte and a half with one to three containers: 10 % best effort, 25 % guaranteed."""
    random = Random(SEED)
    return (pod(random, number) for number in range(count))


def pod(random: Random, number: int) -> dict[str, Any]:
    app = f"service-{number % 977}"
    kind = random.random()
    spec: dict[str, Any] = {
        "serviceAccountName": app,
        "terminationGracePeriodSeconds": 30,
        "containers": [container(random, app, index, kind) for index in range(whole(random, 1, 3))],
        "volumes": [{"name": "config", "configMap": {"name": f"{app}-config", "defaultMode": 420}}],
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        ],
    }
    if number % 50 == 0:
        spec |= {"priorityClassName": "system-node-critical", "priority": 2_000_001_000}
    labels = {"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop", "pod-template-hash": f"{number:010x}"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-{number:010x}", "controller": True}
    metadata = {
        "name": f"{app}-{number:010x}",
        "namespace": f"team-{number % 31}",
        "labels": labels,
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def container(random: Random, app: str, index: int, kind: float) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"{app}-{index}",
        "image": f"example.org/shop/{app}:1.{index}.7",
        "ports": [{"name": "http", "containerPort": 8080 + index, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/shop", "readOnly": True}],
    }
    if kind >= 0.1:
        made["resources"] = resources(random, kind >= 0.75)
    return made


def resources(random: Random, guaranteed: bool) -> dict[str, Any]:
    cpu, memory = whole(random, 1, 19) * 100, 2 ** whole(random, 5, 12)
    requests = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    return {"requests": requests, "limits": dict(requests) if guaranteed else {"memory": f"{memory * 2}Mi"}}
