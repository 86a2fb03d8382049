"""`trimtab.history` on a real API server: seen, planned, tried, carried out, and taken back."""

from __future__ import annotations

import fcntl
import http.server
import json
import socket
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from interrupts import ends_soon_on_ctrl_c
from real_etcd import free_ports
from real_kubernetes import RealKubernetes
from trimtab import ClusterError, FileError, FileInUse, InvalidInput, Unreachable, history
from turns import others_run_while

VERSION = "1.37.2"


@pytest.fixture
def shop(kubernetes: RealKubernetes) -> str:
    """One test's own namespace: three ReplicaSets too many, a Job whose time is over, two records of Helm too many."""
    namespace = kubernetes.namespace()
    kubernetes.deployment(namespace)
    kubernetes.finished_job(namespace)
    kubernetes.release(namespace)
    return namespace


def cluster(kubernetes: RealKubernetes, journal: Path, **more: Any) -> history.Cluster:
    return history.Cluster(kubernetes.conf, **({"journal": journal, "deletes_per_second": None} | more))


def planned(cluster: history.Cluster, shop: str, **more: Any) -> history.PruningPlan:
    policy = {"namespaces": [shop], **more}
    seen = cluster.observe(version=VERSION, policy=policy)
    assert seen.unread == []
    return history.pruning_plan(seen, version=VERSION, now=datetime.now(UTC), policy=policy)


def outcomes(report: history.PruningReport | history.UndoReport) -> dict[str, str]:
    return {step.target: step.outcome["outcome"] for step in report.steps}


def left(kubernetes: RealKubernetes, shop: str) -> dict[str, list[str]]:
    return {kind: kubernetes.names(kind, shop) for kind in ("ReplicaSet", "Job", "Secret")}


# --- seen, planned, done


def test_a_namespace_is_pruned_once_and_taken_back_but_for_its_job(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    ours = cluster(kubernetes, tmp_path / "journal")
    pages: list[history.PruningEvent] = []
    policy = {"namespaces": [shop]}
    seen = ours.observe(version=VERSION, policy=policy, progress=pages.append)
    assert seen.cluster == kubernetes.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert (seen.counts["replicaSets"], seen.counts["jobs"], seen.counts["helm"]) == (6, 1, 12)
    assert "replicasets page 1" in [page.message for page in pages]
    assert {(page.event, page.index, page.step) for page in pages} == {("progress", None, None)}

    plan = history.pruning_plan(seen, version=VERSION, now=datetime.now(UTC), policy=policy)
    assert [step.action["object"]["name"] for step in plan.steps] == [
        *("web-1", "web-2", "web-3", "import"),
        *("sh.helm.release.v1.web.v1", "sh.helm.release.v1.web.v2"),
    ]
    before = left(kubernetes, shop)
    dry = ours.dry_run(plan)
    assert (dry.is_done, left(kubernetes, shop)) == (True, before), str(dry)
    assert dry.subject.startswith("dry run of the ")
    assert not (tmp_path / "journal").exists()

    was = {name: kubernetes.read("Secret", shop, name) for name in before["Secret"]}
    events: list[history.PruningEvent] = []
    report = plan.apply(ours, progress=events.append)
    assert (report.is_done, report.acted) == (True, 6), str(report)
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600
    assert sorted(event.index for event in events if event.event == "ended" and event.index is not None) == [*range(6)]
    after = left(kubernetes, shop)
    assert after["ReplicaSet"] == ["web-4", "web-5", "web-6"]
    assert len(after["Secret"]) == 10
    # As its controller has it, its pods go first; the garbage collector, which nobody runs here, would see to that.
    going = kubernetes.read("Job", shop, "import")["metadata"]
    assert (going["finalizers"], "deletionTimestamp" in going) == (["foregroundDeletion"], True)
    kubernetes.merge("Job", shop, "import", {"metadata": {"finalizers": None}})

    again = plan.apply(ours)
    assert (again.is_done, again.acted) == (True, 0), str(again)
    fresh = history.PruningPlan.from_json(plan.to_json()).apply(cluster(kubernetes, tmp_path / "another"))
    assert (fresh.is_done, fresh.acted) == (True, 0), str(fresh)
    assert planned(ours, shop).is_empty

    undo = history.undo_plan(tmp_path / "journal")
    assert [held.target for held in undo.held] == [f"Job {shop}/import"]
    told: list[history.UndoEvent] = []
    back = undo.apply(ours, progress=told.append)
    assert (back.is_done, back.acted) == (True, 5), str(back)
    assert [event.event for event in told].count("ended") == 5
    restored = left(kubernetes, shop)
    assert (restored["ReplicaSet"], restored["Job"], restored["Secret"]) == (
        before["ReplicaSet"],
        [],
        before["Secret"],
    )
    for name, old in was.items():
        new = kubernetes.read("Secret", shop, name)
        assert (new["data"], new["type"], new["metadata"]["labels"]) == (
            old["data"],
            old["type"],
            old["metadata"]["labels"],
        )
    owner = kubernetes.read("ReplicaSet", shop, "web-1")["metadata"]["ownerReferences"][0]
    assert owner["uid"] == kubernetes.read("Deployment", shop, "web")["metadata"]["uid"]
    twice = undo.apply(ours)
    assert (twice.is_done, twice.acted) == (True, 0), str(twice)
    # What is there again goes again, by a new plan, once its controller has looked at it.
    assert [step.action["object"]["kind"] for step in planned(ours, shop).steps] == ["Secret"] * 2
    for name in ("web-1", "web-2", "web-3"):
        kubernetes.merge("ReplicaSet", shop, name, {"status": {"observedGeneration": 1}}, status=True)
    assert len(planned(ours, shop).steps) == 5


def test_what_changed_since_the_plan_is_left_alone_and_the_others_go(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    ours = cluster(kubernetes, tmp_path / "journal")
    plan = planned(ours, shop, parts=["replicaSets", "helm"])
    kubernetes.merge("ReplicaSet", shop, "web-2", {"metadata": {"labels": {"touched": "yes"}}})
    report = plan.apply(ours)
    assert outcomes(report)[f"ReplicaSet {shop}/web-2"] == "refused"
    assert report.acted == len(plan.steps) - 1
    refused = report.stopped_at
    assert refused is not None
    assert refused.outcome["found"]["refusal"] == "changed"
    assert "web-2" in kubernetes.names("ReplicaSet", shop)


def test_a_plan_for_another_cluster_or_an_owner_that_changed_deletes_nothing(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    ours = cluster(kubernetes, tmp_path / "journal", lanes=1)
    plan = planned(ours, shop, parts=["replicaSets"])
    uid = ours.observe(version=VERSION, policy={"parts": [], "namespaces": [shop]}).cluster
    assert uid
    elsewhere = history.PruningPlan.from_json(plan.to_json().replace(uid, "another"))
    report = elsewhere.apply(ours)
    assert [step.outcome["outcome"] for step in report.steps] == ["refused", "notReached", "notReached"]
    kubernetes.merge("Deployment", shop, "web", {"spec": {"revisionHistoryLimit": 5}})
    report = plan.apply(ours)
    assert {step.outcome["found"]["refusal"] for step in report.steps} == {"ownerChanged"}
    assert len(kubernetes.names("ReplicaSet", shop)) == 6


def test_what_a_callback_raises_ends_the_call_and_the_same_journal_goes_on(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def progress(event: history.PruningEvent) -> None:
        if event.event == "ended":
            raise Stop(str(event))

    ours = cluster(kubernetes, tmp_path / "journal", lanes=1)
    plan = planned(ours, shop)
    with pytest.raises(Stop, match="web-1: done"):
        plan.apply(ours, progress=progress)
    assert len(kubernetes.names("ReplicaSet", shop)) == 5
    report = plan.apply(ours)
    assert (report.is_done, report.acted) == (True, 5), str(report)
    with pytest.raises(TypeError, match="not callable"):
        plan.apply(ours, progress="print")  # type: ignore[arg-type]


def test_a_journal_in_use_and_a_journal_that_cannot_be_written_delete_nothing(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    plan = planned(cluster(kubernetes, tmp_path / "journal"), shop)
    with (tmp_path / "journal").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FileInUse, match="in use by another process"):
            plan.apply(cluster(kubernetes, tmp_path / "journal"))
    with pytest.raises(FileError, match="cannot be used"):
        plan.apply(cluster(kubernetes, tmp_path / "no" / "journal"))
    assert len(kubernetes.names("ReplicaSet", shop)) == 6


# --- rights and reach


def test_a_user_without_rights_sees_nothing_and_is_told_what_it_may_not_list(
    kubernetes: RealKubernetes, shop: str
) -> None:
    nobody = history.Cluster(kubernetes.user(f"nobody-{shop}"))
    policy = {"namespaces": [shop]}
    seen = nobody.observe(version=VERSION, policy=policy)
    assert seen.cluster is None
    assert {one["problem"]["unread"] for one in seen.unread} == {"forbidden"}
    places = [one["place"] for one in seen.unread]
    assert f"replicasets in namespace {shop}" in places
    assert "pods" in places
    plan = history.pruning_plan(seen, version=VERSION, now=datetime.now(UTC), policy=policy)
    assert (plan.is_empty, plan.is_blocked) == (True, True)


def test_a_user_who_may_look_and_not_delete_gets_a_report_and_not_an_exception(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    looks: Any = {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list"]}
    conf = kubernetes.user(f"reader-{shop}", shop, looks)
    plan = planned(cluster(kubernetes, tmp_path / "journal"), shop, parts=["replicaSets"])
    name = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}
    role = {"metadata": {"name": f"reader-{shop}"}, "rules": [name]}
    kubernetes.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": f"reader-{shop}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"reader-{shop}"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": f"reader-{shop}"}],
    }
    kubernetes.call("POST", f"/apis/{group}/v1/clusterrolebindings", binding)
    reader = history.Cluster(conf, journal=tmp_path / "journal", deletes_per_second=None)
    assert reader.observe(version=VERSION, policy={"namespaces": [shop], "parts": ["replicaSets"]}).unread == []
    for report in (reader.dry_run(plan), plan.apply(reader)):
        assert {step.outcome["outcome"] for step in report.steps} == {"failed"}
        assert report.steps[0].outcome["failure"]["failure"] == "forbidden"
        assert report.steps[0].outcome["failure"]["verb"] == "delete"
        assert "grant" in str(report.steps[0])
    assert len(kubernetes.names("ReplicaSet", shop)) == 6


def kubeconfig(path: Path, port: int) -> Path:
    name = {"name": "a"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [name | {"cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [name | {"user": {"token": "s3cret-planted"}}],
        "contexts": [name | {"context": {"cluster": "a", "user": "a"}}],
    }
    path.write_text(json.dumps(config))
    return path


def a_plan() -> history.PruningPlan:
    """Of one Job, in a cluster that was never there."""
    items = [
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}},
        {
            "kind": "Job",
            "apiVersion": "batch/v1",
            "metadata": {"namespace": "shop", "name": "import", "uid": "j1", "resourceVersion": "7"},
            "spec": {"ttlSecondsAfterFinished": 60},
            "status": {
                "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"}]
            },
        },
    ]
    seen = history.read_dump(json.dumps({"items": items}).encode())
    plan = history.pruning_plan(seen, version=VERSION, now="2026-11-25T12:00:00Z")
    assert len(plan.steps) == 1
    return plan


def test_a_server_that_nobody_runs_is_unreachable(tmp_path: Path) -> None:
    nowhere = history.Cluster(kubeconfig(tmp_path / "conf", free_ports(1)[0]), journal=tmp_path / "journal")
    with pytest.raises(Unreachable, match="the API server does not answer: ") as caught:
        nowhere.observe(version=VERSION)
    assert isinstance(caught.value, ConnectionError)
    assert "refused" in str(caught.value)
    assert "s3cret-planted" not in str(caught.value) + str(caught.value.to_dict())
    report = a_plan().apply(nowhere)
    assert (report.is_done, report.acted) == (False, 0)
    assert [step.outcome["outcome"] for step in report.steps] == ["failed"]
    assert report.steps[0].outcome["failure"]["failure"] == "api"


class Fails(http.server.BaseHTTPRequestHandler):
    """In the place of a server whose etcd is gone: a real one says so only after a minute."""

    def do_GET(self) -> None:
        body = json.dumps({"kind": "Status", "code": 500, "message": "etcdserver: request timed out"}).encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def test_a_server_that_fails_is_told_from_one_that_nobody_runs(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fails) as server:
        threading.Thread(target=server.serve_forever).start()
        failing = history.Cluster(kubeconfig(tmp_path / "conf", server.server_port), journal=tmp_path / "journal")
        try:
            with pytest.raises(ClusterError, match="etcdserver: request timed out") as caught:
                failing.observe(version=VERSION)
            assert not isinstance(caught.value, ConnectionError)
            report = a_plan().apply(failing)
        finally:
            server.shutdown()
    assert "etcdserver: request timed out" in str(report.stopped_at)


def test_a_kubeconfig_that_cannot_be_used_is_named(kubernetes: RealKubernetes, tmp_path: Path) -> None:
    for path, context in ((tmp_path / "none", None), (kubernetes.conf, "no-such-context")):
        with pytest.raises(InvalidInput, match="cannot be used") as caught:
            history.Cluster(path, context=context).observe(version=VERSION)
        assert caught.value.to_dict()["path"] == str(path)
    # A YAML reader shows the lines around a mistake.
    user = 'users:\n- name: a\n  user:\n    token: "s3cret-planted"\n    tokenFile: [oops]\n'
    (tmp_path / "broken").write_text(f"apiVersion: v1\nkind: Config\n{user}")
    with pytest.raises(InvalidInput, match="line 7") as caught:
        history.Cluster(tmp_path / "broken").observe(version=VERSION)
    assert "s3cret-planted" not in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        history.Cluster(kubernetes.conf).observe(version=VERSION, policy={"parts": ["all"]})
    assert caught.value.path == "parts[0]"


# --- calls that wait


ASKS = """
import sys
from trimtab import history
cluster = history.Cluster(sys.argv[1], journal=sys.argv[2])
print("asking", flush=True)
"""
OBSERVES = 'cluster.observe(version="1.34")'
APPLIES = "history.PruningPlan.from_json(sys.argv[3]).apply(cluster)"


@pytest.mark.parametrize("program", [OBSERVES, APPLIES], ids=["observe", "apply"])
def test_ctrl_c_ends_a_call_that_waits(program: str, silent: socket.socket, tmp_path: Path) -> None:
    conf = kubeconfig(tmp_path / "conf", silent.getsockname()[1])
    ends_soon_on_ctrl_c(silent, ASKS + program, str(conf), str(tmp_path / "journal"), a_plan().to_json())


def test_other_threads_run_meanwhile(kubernetes: RealKubernetes, shop: str, tmp_path: Path) -> None:
    ours = cluster(kubernetes, tmp_path / "journal")
    plan = planned(ours, shop)
    assert others_run_while(lambda: ours.observe(version=VERSION))
    assert others_run_while(lambda: ours.dry_run(plan))
    assert others_run_while(lambda: plan.apply(ours))
    assert others_run_while(lambda: history.undo_plan(tmp_path / "journal").apply(ours))
