"""Old ReplicaSets, ControllerRevisions, Jobs, Pods, records of Helm and Events: which may go, and their removal.

What goes is what their controllers would delete, or less than they keep; every removal is guarded.

What a dump holds, what would go, and why the rest stays::

    seen = history.read_dump("dump.json")  # kubectl get namespaces,deployments,replicasets,… -A -o json
    plan = history.pruning_plan(seen, version="1.34", now=datetime.now(UTC), policy={"revisions": {"maxKept": 3}})
    print(plan)

On a live cluster, each object written to the journal before it is deleted::

    cluster = history.Cluster("admin.conf", journal="pruning.jsonl")
    plan = history.pruning_plan(cluster.observe(version="1.34"), version="1.34", now=datetime.now(UTC))
    report = plan.apply(cluster, progress=print)

Taken back, where that does no harm, out of the same journal::

    report = history.undo_plan("pruning.jsonl").apply(cluster)

Why it piles up, and which field ends it::

    print(*history.advice(seen, version="1.34"), sep="\\n")

Rights, for all parts: `get` of the namespace `kube-system`, which tells clusters apart. Besides, to observe `list`,
and to apply `get`, `list` and `delete`, of what goes:

- ReplicaSets, with `get` and `list` of deployments
- ControllerRevisions, with `get` and `list` of statefulsets, daemonsets and pods
- Jobs, with `get` and `list` of cronjobs
- pods, in the whole cluster, whose pods the threshold counts
- Secrets, and `list` of ConfigMaps, where Helm keeps its records in Secrets; the other way round where it does not
- events

An undo wants `get` and `create` of what went, and `get` of who owns it. What is missing is told as `unread`, and by
each step that it stops.
"""

from ._core import (
    Advice,
    Cluster,
    HistorySeen,
    PruningEvent,
    PruningHeld,
    PruningNotice,
    PruningPlan,
    PruningReport,
    PruningReported,
    PruningStep,
    UndoEvent,
    UndoHeld,
    UndoNotice,
    UndoPlan,
    UndoReport,
    UndoReported,
    UndoStep,
    advice,
    pruning_plan,
    read_dump,
    undo_plan,
)

__all__ = [
    "Advice",
    "Cluster",
    "HistorySeen",
    "PruningEvent",
    "PruningHeld",
    "PruningNotice",
    "PruningPlan",
    "PruningReport",
    "PruningReported",
    "PruningStep",
    "UndoEvent",
    "UndoHeld",
    "UndoNotice",
    "UndoPlan",
    "UndoReport",
    "UndoReported",
    "UndoStep",
    "advice",
    "pruning_plan",
    "read_dump",
    "undo_plan",
]
