"""What trimtab is for, on real servers, in about a minute.

First an incident: a three-member etcd runs full, refuses writes, is rescued by a plan, and accepts writes again. Then a
reading: a small cluster dump, and what its nodes, its scheduler and its DNS make of it in several releases; of another
one, which history may go, and why the rest stays. Exits 0 only when all of it was seen; what it started is gone
afterwards.
"""

import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from servers import Member, etcd_cluster, put
from trimtab import etcd, history, net, node, sched

ETCD_VERSION = "3.6.16"
QUOTA_BYTES = 16 * 1024 * 1024
RELEASES = ["1.12", "1.20", "1.34", "1.37"]
DUMP = Path(__file__).parent / "cluster.json"
HISTORY = Path(__file__).parent / "history.json"


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    rescue_a_full_etcd()
    read_a_dump()
    plan_what_may_go()
    print("\nall of it was seen")


def stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def rescue_a_full_etcd() -> None:
    title(f"three members of etcd {ETCD_VERSION} with a quota of {mib(QUOTA_BYTES)}")
    with etcd_cluster(ETCD_VERSION, members=3, quota_bytes=QUOTA_BYTES) as members:
        refusal = fill(members[0])
        cluster = etcd.Etcd([member.endpoint for member in members])
        before = cluster.observe()
        show_sizes(before)

        title("by default nothing is compacted that Kubernetes would have kept")
        print(etcd.rescue_plan(before), end="")

        title("the plan, with head asked for by name")
        plan = etcd.rescue_plan(before, compact_to="head")
        print(plan, end="")

        title("applied")
        begun = time.monotonic()
        report = plan.apply(cluster, progress=lambda event: print(f"  {event}", flush=True))
        print(report, end="")
        expect(report.is_done, "the report says that it is done")
        print(f"took {time.monotonic() - begun:.1f} s")

        accepted = put(members[0], "/registry/configmaps/default/after", b"rescued")
        expect(accepted is None, f"a write is accepted again, and not refused: {accepted}")
        print(f"\nbefore, a write was refused: {refusal}\nnow a write is accepted")
        after = cluster.observe()
        title("sizes before and after")
        compare_sizes(before, after)
        again = plan.apply(cluster)
        expect(again.is_done and again.acted == 0, "the same plan, applied again, changes nothing")


def fill(member: Member) -> str:
    """Kubernetes-shaped keys, rewritten until a write is refused; bounded."""
    for count in range(1, 2000):
        refusal = put(member, f"/registry/pods/default/web-{count % 20}", bytes(100_000))
        if refusal is not None:
            print(f"write {count} of 100 kB on 20 pods was refused: {refusal}")
            expect("database space exceeded" in refusal, "the refusal is for lack of space")
            return refusal
    raise SystemExit("no write was refused")


def show_sizes(seen: etcd.ClusterSeen) -> None:
    for member in seen.members:
        status = status_of(member)
        print(
            f"{member.name}: {mib(status.db_size_bytes)}, {mib(status.db_size_in_use_bytes)} said to be in use, "
            f"{', '.join(status.errors) or 'no complaint'}"
        )


def compare_sizes(before: etcd.ClusterSeen, after: etcd.ClusterSeen) -> None:
    old = {member.id: status_of(member).db_size_bytes for member in before.members}
    for member in after.members:
        now = status_of(member).db_size_bytes
        print(f"{member.name}: {mib(old[member.id])} -> {mib(now)}")
        expect(now < old[member.id], f"{member.name} is smaller than before")
    expect(after.alarms == [], "no alarm is left")


def status_of(member: etcd.MemberSeen) -> etcd.MemberStatus:
    expect(member.status is not None, f"{member.name} answers")
    assert member.status is not None
    return member.status


def read_a_dump() -> None:
    items: list[dict[str, Any]] = json.loads(DUMP.read_text())["items"]
    kinds = {kind: [item for item in items if item["kind"] == kind] for kind in ("Node", "Pod", "ConfigMap")}
    nodes, pods = kinds["Node"], kinds["Pod"]
    title(f"a dump of {len(nodes)} nodes and {len(pods)} pods: who is killed first when memory runs out")
    for each in nodes:
        show_kill_order(each, [pod for pod in pods if pod["spec"].get("nodeName") == each["metadata"]["name"]])

    title("release by release")
    mode = net.Mode.from_config_map(kinds["ConfigMap"][0])
    size = net.ClusterSize.from_nodes(nodes)
    print(
        f"DNS replicas ({mode.control_mode}, {size.schedulable_cores} cores on {size.schedulable_nodes} nodes): "
        f"{mode.expected_replicas(size)}"
    )
    expect(mode.expected_replicas(size) > 0, "DNS wants replicas")
    for release in RELEASES:
        classes = Counter(node.pod_qos(pod, version=release) for pod in pods)
        # What the release makes of a scheduler configuration that says nothing.
        percentage = sched.SampleRules.at(release).global_from_config(None)
        scored = {
            count: sched.num_feasible_nodes_to_find(count, percentage=percentage, version=release)
            for count in (100, 1000, 5000)
        }
        counted = ", ".join(f"{name} {classes[name]}" for name in ("Guaranteed", "Burstable", "BestEffort"))
        print(
            f"{release}: QoS {counted}; nodes to score of {', '.join(f'{of}: {count}' for of, count in scored.items())}"
        )
        expect(sum(classes.values()) == len(pods), "every pod has a class")


def show_kill_order(each: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    memory, release = each["status"]["capacity"]["memory"], each["status"]["nodeInfo"]["kubeletVersion"]
    candidates = [
        node.Candidate(
            f"{pod['metadata']['name']}/{line.name}", oom_score_adj=line.oom_score_adj, memory=used(pod, line.name)
        )
        for pod in pods
        for line in node.oom_score_adjs(pod, memory_capacity=memory, version=release)
    ]
    adjusted = {candidate.name: candidate.oom_score_adj for candidate in candidates}
    print(f"{each['metadata']['name']} ({memory}, kubelet {release}):")
    victims = node.kill_order(candidates, domain=node.OomDomain.node(memory), kernel=(6, 1))
    expect(len(victims) > 0, "the node has something to kill")
    for rank, victim in enumerate(victims, 1):
        print(f"  {rank}. {victim.name} (oom_score_adj {adjusted[victim.name]})")


def plan_what_may_go() -> None:
    seen = history.read_dump(HISTORY)
    title(f"{seen!r}: which of it its controllers and Helm would delete")
    plan = history.pruning_plan(seen, version=RELEASES[-2], now="2026-11-25T12:00:00Z")
    print(plan, end="")
    reasons = Counter(held.reason["reason"] for held in plan.held)
    expect(len(plan.steps) == 6, "what is over its limit goes")
    expect(reasons["incomplete"] > 0 and reasons["foreign"] == 1, "a rollout under way and another's history stay")

    title("why it piles up")
    print(*history.advice(seen, version=RELEASES[-2]), sep="\n")


def used(pod: dict[str, Any], container: str) -> str:
    """What the dump's metrics say a container uses; what it asks for where they say nothing."""
    usage: str = json.loads(pod["metadata"].get("annotations", {}).get("demo/memory-usage", "{}")).get(
        container, "64Mi"
    )
    return usage


def mib(amount: int) -> str:
    return f"{amount / 1024 / 1024:.1f} MiB"


def expect(seen: bool, what: str) -> None:
    if not seen:
        raise SystemExit(f"not seen: {what}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
