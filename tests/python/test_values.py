"""Every class of answers: equal by value, shown, pickled, given as plain data."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest
from test_history import deployment, job, journal
from test_history import seen as history_of
from trimtab import KubeVersion, Quantity, certs, etcd, history, net, node, sched

SEEN = etcd.example_out_of_space()
PLAN = etcd.rescue_plan(SEEN, compact_to="head")
HELD = etcd.rescue_plan(SEEN)
REPORT = etcd.Report.from_dict(
    {
        "subject": PLAN.subject,
        "held": [held.to_dict() for held in HELD.held],
        "steps": [
            {"target": PLAN.steps[0].target, "action": PLAN.steps[0].action, "outcome": "done", "acted": True},
            {
                "target": PLAN.steps[1].target,
                "action": PLAN.steps[1].action,
                "outcome": "failed",
                "failure": {"error": "noSpace", "endpoint": "http://a:2379", "call": "Put"},
            },
            {"target": PLAN.steps[2].target, "action": PLAN.steps[2].action, "outcome": "notReached"},
        ],
    }
)
POD: dict[str, Any] = {"spec": {"containers": [{"name": "app's", "resources": {"requests": {"memory": "1Gi"}}}]}}
CANDIDATE = node.Candidate("it's", oom_score_adj=5, memory="1Gi")
EVENT = etcd.Event.from_dict(
    {"event": "begun", "index": 0, "step": PLAN.steps[0].to_dict(), "message": None, "outcome": None}
)

SNAPSHOT = etcd.example_snapshot()
RESTORE = etcd.restore_plan(
    etcd.restore_observe(SNAPSHOT), member="m0", initial_cluster="m0=http://a:2380", initial_cluster_token="t"
)
MANIFESTS = [etcd.example_manifest(revision=at, taken_at=f"2026-11-25T0{at}:00:00Z") for at in range(1, 4)]
CATALOG = etcd.example_catalog(MANIFESTS)
RETENTION = etcd.retention_plan(CATALOG, now="2026-11-26T00:00:00Z", keep_hourly=0, keep_last=1, min_keep=1)


def affected(seen: etcd.ClusterSeen) -> etcd.ClusterSeen:
    """The same cluster, with a member of a release that may lose data."""
    data = seen.to_dict()
    data["members"][0]["state"]["version"] = "3.5.1"
    return etcd.ClusterSeen.from_dict(data)


SAVE = etcd.save_plan(affected(SEEN), directory="/var/backups", now="2026-11-25T00:00:00Z")
SAVE_HELD = etcd.save_plan(SEEN, directory="/var/backups", now="2026-11-25T00:00:00Z", source="learner").held


Planned = etcd.SavePlan | etcd.RetentionPlan | certs.RenewalPlan | history.PruningPlan | history.UndoPlan
Stepped = etcd.SaveStep | etcd.RetentionStep | certs.RenewalStep | history.PruningStep | history.UndoStep


def reported(plan: Planned) -> dict[str, Any]:
    """How it ends well."""
    done = {"outcome": "done", "acted": True}
    steps = [{"target": step.target, "action": step.action} | done for step in plan.steps]
    return {"subject": plan.subject, "held": [held.to_dict() for held in plan.held], "steps": steps}


def begun(step: Stepped) -> dict[str, Any]:
    return {"event": "begun", "index": 0, "step": step.to_dict(), "message": None, "outcome": None}


SAVE_REPORT = etcd.SaveReport.from_dict(reported(SAVE))
RETENTION_REPORT = etcd.RetentionReport.from_dict(reported(RETENTION))
VERIFICATION = etcd.Verification.from_dict(
    {
        "format": 1,
        "at": "2026-11-26T00:00:00Z",
        "object": {"name": MANIFESTS[0].name, "sizeBytes": 5, "lastModified": "2026-11-25T00:00:00Z"}
        | {"etag": None, "version": None},
        "found": {"found": "sound"},
    }
)

CERTIFICATE, *_ = certs.example_pair(now="2026-01-01T00:00:00Z")
NODE = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
# The kubelet will have renewed its own by then.
RENEWAL = certs.renewal_plan(NODE, version="1.31", now="2026-09-01T00:00:00Z", due_within_hours=24 * 200)
RENEWAL_REPORT = certs.RenewalReport.from_dict(reported(RENEWAL))
OTHER_NODE = certs.NodeSeen.from_json(NODE.to_json().replace('Sha256":"', 'Sha256":"0'))
CLUSTER = certs.cluster_plan({"a": NODE, "b": NODE}, version="1.31", now="2026-12-25T00:00:00Z")
CLUSTER_HELD = certs.cluster_plan({"a": NODE, "b": OTHER_NODE}, version="1.31", now="2026-12-25T00:00:00Z")
HISTORY = history_of(*deployment(), job())
PRUNING = history.pruning_plan(HISTORY, version="1.34", now="2026-11-25T12:00:00Z")
PRUNING_REPORT = history.PruningReport.from_dict(reported(PRUNING))
with tempfile.TemporaryDirectory() as folder:
    UNDO = history.undo_plan(journal(Path(folder) / "journal", deployment()[1], job()))
UNDO_REPORT = history.UndoReport.from_dict(reported(UNDO))
ADVICE = history.advice(history_of(*deployment(wanted=3, available=2)), version="1.34")[0]
SERVED = certs.Served._again([CERTIFICATE.der])  # type: ignore[attr-defined]

HASHABLE: list[Any] = [
    KubeVersion("1.34.2"),
    Quantity("8Gi"),
    node.oom_score_adjs(POD, memory_capacity="16Gi", version="1.34")[0],
    CANDIDATE,
    node.Victim(CANDIDATE, points=7),
    node.OomDomain.node("16Gi", swap="1Gi"),
    sched.PercentageOfNodesToScore(global_percentage=30, profile_percentage=0),
    net.ClusterSize(schedulable_cores=4, schedulable_nodes=2, total_cores=6, total_nodes=3),
    net.LadderParams(cores_to_replicas=[(3, 3), (1, 1)], include_unschedulable_nodes=True),
    net.LadderParams(nodes_to_replicas=[(3, 3), (1, 1), (1, 2)]).sorted(),
    etcd.verify(SNAPSHOT),
    etcd.verify(SNAPSHOT).status,
    etcd.hash_kv(SNAPSHOT),
    CERTIFICATE,
    certs.file_findings({"a.crt": b"it's broken"}, now="2026-01-01T00:00:00Z")[0],
    ADVICE,
]
# Nobody makes these by hand.
ANSWERS = (node.ContainerOom, etcd.Verified, etcd.Status, etcd.HashKv, certs.Certificate, certs.Finding, history.Advice)
UNHASHABLE: list[Any] = [
    net.LinearParams(cores_per_replica=0.1, nodes_per_replica=1e-5, max=9, prevent_single_point_failure=True),
    net.Mode.parse("linear", '{"coresPerReplica": 0.30000000000000004}'),
    net.Mode.parse("ladder", '{"nodesToReplicas": [[2, 2], [1, 1]]}'),
    SEEN,
    SEEN.members[0],
    SEEN.members[0].status,
    PLAN,
    HELD,
    PLAN.steps[0],
    HELD.held[0],
    PLAN.notices[0],
    REPORT,
    REPORT.steps[1],
    EVENT,
    etcd.keyspace(SNAPSHOT),
    etcd.restore_observe(SNAPSHOT),
    RESTORE,
    etcd.Restored.from_dict({"plan": RESTORE.to_dict(), "dataDir": "/d", "databaseBytes": 5, "removed": ["/x"]}),
    MANIFESTS[0],
    CATALOG,
    CATALOG.findings(now="2026-12-25T00:00:00Z")[0],
    VERIFICATION,
    SAVE,
    SAVE.steps[0],
    SAVE_HELD[0],
    SAVE.notices[0],
    SAVE_REPORT,
    SAVE_REPORT.steps[0],
    etcd.SaveEvent.from_dict(begun(SAVE.steps[0])),
    RETENTION,
    RETENTION.steps[0],
    RETENTION.held[0],
    RETENTION.notices[0],
    RETENTION_REPORT,
    RETENTION_REPORT.steps[0],
    etcd.RetentionEvent.from_dict(begun(RETENTION.steps[0])),
    certs.certificates(CERTIFICATE.der)[0],
    certs.certificates(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")[0],
    NODE,
    RENEWAL,
    RENEWAL.steps[0],
    RENEWAL.held[0],
    RENEWAL.notices[0],
    RENEWAL_REPORT,
    RENEWAL_REPORT.steps[0],
    certs.RenewalEvent.from_dict(begun(RENEWAL.steps[0])),
    CLUSTER,
    CLUSTER_HELD,
    CLUSTER.nodes[0],
    certs.Backup.from_dict({"item": "ca", "stamp": "20261125T100112Z", "files": [{"path": "/a", "backup": "/b"}]}),
    certs.Recovered.from_dict({"item": "apiserver", "outcome": "finished"}),
    certs.Requested.from_dict({"item": "apiserver", "request": "/a.csr", "key": None}),
    SERVED,
    SERVED.beside(CERTIFICATE),
    HISTORY,
    PRUNING,
    PRUNING.steps[0],
    PRUNING.held[0],
    PRUNING.notices[0],
    PRUNING_REPORT,
    PRUNING_REPORT.steps[0],
    history.PruningEvent.from_dict(begun(PRUNING.steps[0])),
    UNDO,
    UNDO.steps[0],
    UNDO.held[0],
    UNDO.notices[0],
    UNDO_REPORT,
    UNDO_REPORT.steps[0],
    history.UndoEvent.from_dict(begun(UNDO.steps[0])),
]
RULES: list[Any] = [node.OomRules.at("1.34"), sched.SampleRules.at("1.34")]
VALUES = HASHABLE + UNHASHABLE + RULES


def named(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_a_copy_by_pickle_is_equal_and_shows_the_same(value: Any) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert again == value
        assert type(again) is type(value)
        assert (repr(again), str(again)) == (repr(value), str(value))


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_a_value_is_not_equal_to_anything_else(value: Any) -> None:
    assert value != object()
    assert value is not None
    assert [other for other in VALUES if other == value] == [value]


@pytest.mark.parametrize("value", HASHABLE, ids=named)
def test_equal_values_have_equal_hashes(value: Any) -> None:
    assert hash(pickle.loads(pickle.dumps(value))) == hash(value)


@pytest.mark.parametrize("value", UNHASHABLE, ids=named)
def test_what_holds_floats_or_dicts_has_no_hash(value: Any) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


@pytest.mark.parametrize("value", HASHABLE + RULES, ids=named)
def test_what_is_shown_makes_the_value_again(value: Any) -> None:
    names = {kind.__name__: kind for kind in (KubeVersion, Quantity, *classes())}
    if not isinstance(value, ANSWERS):
        assert eval(repr(value), names) == value


def classes() -> list[type]:
    return [getattr(module, name) for module in (node, sched, net) for name in module.__all__ if name[0].isupper()]


@pytest.mark.parametrize("value", [value for value in VALUES if hasattr(value, "to_dict")], ids=named)
def test_plain_data_is_json_and_reads_back(value: Any) -> None:
    data = value.to_dict()
    assert json.loads(json.dumps(data)) == data
    if hasattr(value, "from_dict"):
        assert type(value).from_dict(data) == value
    if hasattr(value, "to_json"):
        assert json.loads(value.to_json()) == data
        assert type(value).from_json(value.to_json()) == value


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_a_value_cannot_be_changed(value: Any) -> None:
    for name in (name for name in dir(value) if not name.startswith("_")):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


def test_every_public_class_stands_in_these_tests() -> None:
    tested = {type(value).__name__ for value in VALUES}
    public = {
        name
        for module in (node, sched, net, etcd, certs, history)
        for name in module.__all__
        if isinstance(getattr(module, name), type)
    }
    # They hold credentials and keys, or are hands: no pickle.
    assert public - tested == {"Cluster", "Etcd", "Node", "Store", "PrivateKey", "Renewed"}


def test_a_plan_reads_as_a_transcript() -> None:
    lines = str(PLAN).splitlines()
    assert lines[0] == "plan: rescue of etcd cluster cdf818194e3a8c32"
    assert "  1. cluster: compact to revision 1000" in lines
    assert any("no CORRUPT alarm is listed" in line for line in lines)
    assert str(PLAN.steps[0]) == "cluster: compact to revision 1000"
    assert PLAN.steps[0].guards[0] == "it is cluster cdf818194e3a8c32"
    assert (bool(PLAN), PLAN.is_empty, PLAN.is_blocked) == (True, False, False)
    assert (bool(HELD), HELD.is_empty, HELD.is_blocked) == (False, True, True)


def test_what_is_held_back_has_its_numbers() -> None:
    reason = HELD.held[0].reason
    assert reason["reason"] == "inUseTooBig"
    assert (reason["dbSizeInUseBytes"], reason["head"]) == (17300000, 1000)


def test_plans_of_backups_read_as_transcripts() -> None:
    assert str(SAVE).splitlines()[0] == "plan: backup of etcd cluster cdf818194e3a8c32"
    assert "3.5.1" in str(SAVE.notices[0])
    assert SAVE.steps[0].action["notBefore"] == "2026-11-25T00:00:00Z"
    assert str(SAVE_REPORT).splitlines()[-1].endswith(": done")
    assert str(RETENTION).splitlines()[0] == "plan: retention of the backups in s3://backups/etcd"
    assert RETENTION.steps[0].action["names"] == [MANIFESTS[0].name, f"{MANIFESTS[0].name}.json"]
    assert [held.reason["reason"] for held in RETENTION.held] == ["kept"]
    assert str(RESTORE).startswith("restore of member m0 ")
    assert str(VERIFICATION) == f"{MANIFESTS[0].name}: sound"


def test_plans_of_renewals_read_as_transcripts() -> None:
    assert str(RENEWAL).splitlines()[0] == "plan: renewal of certificates in /etc/kubernetes"
    assert (bool(RENEWAL), RENEWAL.is_blocked, len(RENEWAL.steps)) == (True, False, 11)
    assert RENEWAL.steps[0].action["notAfter"] == "2027-09-01T00:00:00Z"
    assert RENEWAL_REPORT.is_done
    assert {held.target for held in RENEWAL.held if held.is_obstacle} == set()
    assert {held.is_obstacle for held in HELD.held} == {True}
    assert str(RENEWAL_REPORT).splitlines()[-1].startswith("  held back: ")
    assert [node.node for node in CLUSTER.nodes] == ["a", "b"]
    assert "2. b" in str(CLUSTER).splitlines()
    assert (bool(CLUSTER_HELD), CLUSTER_HELD.is_empty, CLUSTER_HELD.is_blocked) == (False, True, True)
    reasons = [held["reason"] for held in CLUSTER_HELD.held]
    assert reasons == ["authoritiesDiffer"] * 3 + ["serviceAccountKeysDiffer"]
    assert CLUSTER_HELD.held[0]["message"] in str(CLUSTER_HELD)
    assert (
        str(SERVED.beside(CERTIFICATE))
        == "the server shows the certificate of the file, which ends at 2027-01-01T00:00:00Z"
    )


def test_a_report_tells_where_it_stopped() -> None:
    assert (REPORT.is_done, REPORT.acted) == (False, 1)
    assert REPORT.stopped_at == REPORT.steps[1]
    assert REPORT.held == HELD.held
    assert REPORT.steps[1].outcome["failure"]["error"] == "noSpace"
    assert "not reached" in str(REPORT)


def test_an_observation_tells_members_and_alarms() -> None:
    member = SEEN.members[1]
    assert (member.id, member.name, str(member), member.state, member.trouble) == ("2", "m2", "m2 (2)", "answers", None)
    assert member.status is not None
    assert (member.status.is_over_quota, member.status.free_bytes) == (True, 100000)
    assert SEEN.alarms == [{"member": "2", "kind": "NOSPACE"}]
    assert (SEEN.compacted, SEEN.compact_rev_key) == (0, None)


def test_what_could_not_be_seen_is_none_and_says_why() -> None:
    data = SEEN.to_dict()
    trouble = {"error": "deadline", "endpoint": "http://a:2379", "call": "Status", "afterMs": 3000}
    data["members"][0]["state"] = {"state": "silent", "trouble": trouble}
    data["alarms"] = {"alarms": "unknown", "trouble": trouble}
    data["compacted"] = {"compacted": "unknown", "trouble": trouble}
    seen = etcd.ClusterSeen.from_dict(data)
    assert (seen.members[0].state, seen.members[0].status, seen.members[0].trouble) == ("silent", None, trouble)
    assert (seen.alarms, seen.compacted) == (None, None)
    assert not etcd.rescue_plan(seen, compact_to="head")
