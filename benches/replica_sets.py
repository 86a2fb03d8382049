"""The rule of the Deployment controller in plain Python, as one would write it over a dump, and dumps to read.

python benches/replica_sets.py read FILE      how many objects a dump has
python benches/replica_sets.py plan FILE      which ReplicaSets the controller would delete
"""

import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"
NO_LIMIT = 2147483647

Object = dict[str, Any]

# Whose uid tells clusters apart; without it a plan has no step.
CLUSTER = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "c1"}}


def main(work: str, file: str) -> None:
    with Path(file).open("rb") as dump:
        items = json.load(dump)["items"]
    print(json.dumps(len(items) if work == "read" else sorted(deletions(items))))


# --- the rule


def deletions(items: list[Object]) -> Iterator[str]:
    owned = defaultdict(list)
    for item in items:
        if item["kind"] == "ReplicaSet" and (uid := controller(item)):
            owned[uid].append(item)
    for item in items:
        if item["kind"] == "Deployment":
            yield from deletions_of(item, owned[item["metadata"]["uid"]])


def controller(item: Object) -> str | None:
    references = item["metadata"].get("ownerReferences", [])
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def deletions_of(deployment: Object, sets: list[Object]) -> Iterator[str]:
    if not prunes_now(deployment):
        return
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    wanted = without_hash(deployment["spec"]["template"])
    same = [one for one in sets if without_hash(one["spec"]["template"]) == wanted]
    if not same or limit == NO_LIMIT:
        return
    new = min(same, key=by_creation)
    old = sorted(
        (one for one in sets if one is not new and "deletionTimestamp" not in one["metadata"]), key=by_revision
    )
    for one in old[: max(0, len(old) - limit)]:
        if not is_in_use(one):
            yield f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def prunes_now(deployment: Object) -> bool:
    spec, status = deployment["spec"], deployment["status"]
    if spec.get("paused"):
        return True
    counts = (status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas"))
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return observed and all(count == spec["replicas"] for count in counts)


def without_hash(template: Object) -> Object:
    metadata = template["metadata"]
    labels = {name: value for name, value in metadata["labels"].items() if name != HASH_LABEL}
    return template | {"metadata": metadata | {"labels": labels}}


def is_in_use(one: Object) -> bool:
    status = one["status"]
    observed = status.get("observedGeneration", 0) >= one["metadata"]["generation"]
    return bool(status["replicas"] or one["spec"]["replicas"]) or not observed


def by_creation(one: Object) -> tuple[str, str]:
    return one["metadata"]["creationTimestamp"], one["metadata"]["name"]


def by_revision(one: Object) -> tuple[int, str, str]:
    return int(one["metadata"]["annotations"].get(REVISION, 0)), *by_creation(one)


# --- a dump


def write(file: Path, replica_sets: int) -> None:
    """As `kubectl get namespaces,deployments,replicasets -A -o json` prints it, with its four blanks for each level."""
    draw = random.Random(20261125)
    with file.open("w") as dump:
        dump.write('{\n    "apiVersion": "v1",\n    "items": [')
        dump.write("\n" + indented(CLUSTER))
        left, number = replica_sets, 0
        while left > 0:
            revisions = min(left, draw.randint(1, 40))
            for item in history(draw, number, revisions):
                dump.write(",\n" + indented(item))
            left, number = left - revisions, number + 1
        dump.write('\n    ],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n')


def indented(item: Object) -> str:
    return indent(json.dumps(item, indent=4), "        ")


def history(draw: random.Random, number: int, revisions: int) -> Iterator[Object]:
    """A Deployment, then its ReplicaSets: some stuck, paused or rolled back, each with its own limit."""
    replicas, stuck = draw.randint(0, 5), revisions > 1 and draw.random() < 0.05
    new = revisions if draw.random() < 0.9 else draw.randint(1, revisions)
    owner = deployment(number, revisions, new, replicas, replicas - 1 if stuck and replicas else replicas)
    owner["spec"]["revisionHistoryLimit"] = draw.choice([0, 2, 5, 10, 10, 10, NO_LIMIT])
    if draw.random() < 0.02:
        owner["spec"]["paused"] = True
    yield owner
    for place in draw.sample(range(1, revisions + 1), revisions):
        pods = replicas if place == new else int(stuck and place == max(1, new - 1))
        # A rollback gives an old ReplicaSet a number of its own.
        yield replica_set(owner, number, place, revisions + 1 if place == new else place, pods)


def deployment(number: int, revisions: int, new: int, replicas: int, available: int) -> Object:
    name = f"service-{number}"
    found = metadata(name, f"team-{number // 50}", f"{number:08x}-0000-4000-8000-000000000000", revisions + 1)
    counts = {"replicas": replicas, "updatedReplicas": available, "availableReplicas": available}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": found | {"generation": revisions},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, new),
        },
        "status": {"observedGeneration": revisions} | counts,
    }


def replica_set(owner: Object, number: int, place: int, revision: int, pods: int) -> Object:
    name, namespace, uid = (owner["metadata"][field] for field in ("name", "namespace", "uid"))
    hashed = f"{number * 41 + place:010x}"
    reference = {"apiVersion": "apps/v1", "blockOwnerDeletion": True, "controller": True, "kind": "Deployment"}
    found = metadata(f"{name}-{hashed}", namespace, f"{number:08x}-0000-4000-8001-{place:012x}", revision)
    found["creationTimestamp"] = f"2026-{place % 10 + 1:02}-{place % 28 + 1:02}T{place % 24:02}:00:00Z"
    pod_template = template(name, place)
    pod_template["metadata"]["labels"][HASH_LABEL] = hashed
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": found | {"generation": 2, "ownerReferences": [reference | {"name": name, "uid": uid}]},
        "spec": {"replicas": pods, "selector": {"matchLabels": {"app": name}}, "template": pod_template},
        "status": {"observedGeneration": 2, "replicas": pods},
    }


def metadata(name: str, namespace: str, uid: str, revision: int) -> Object:
    return {
        "annotations": {"deployment.kubernetes.io/desired-replicas": "3", REVISION: str(revision)},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": name, "team": namespace},
        "name": name,
        "namespace": namespace,
        "resourceVersion": "123456789",
        "uid": uid,
    }


def template(name: str, value: int) -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    container = {
        "name": "main",
        "image": f"registry.example/{name}:{value}",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": f"SETTING_{index}", "value": f"value-{index}"} for index in range(12)],
        "envFrom": [{"configMapRef": {"name": f"{name}-{value // 2}"}}],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"mountPath": "/etc/secret", "name": "secret", "readOnly": True}],
    }
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "containers": [container],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccountName": name,
            "terminationGracePeriodSeconds": 30,
            "volumes": [{"name": "secret", "secret": {"defaultMode": 420, "secretName": f"{name}-secret"}}],
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
