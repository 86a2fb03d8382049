"""`trimtab.history` without a cluster: dumps, plans, why history piles up, what a journal gives back."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from trimtab import FileError, InvalidInput, UnsupportedVersion, history
from turns import others_run_while

NOW = "2026-11-25T12:00:00Z"
CLUSTER = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}}

Object = dict[str, Any]


def metadata(name: str, owner: str | None = None, **more: Any) -> Object:
    made: Object = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": "7", **more}
    if owner:
        by = {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": f"uid-{owner}", "controller": True}
        made["ownerReferences"] = [by]
    return made


def deployment(name: str = "web", *, limit: int = 2, old: int = 5, available: int = 0, wanted: int = 0) -> list[Object]:
    """A Deployment with its old ReplicaSets and the new one; complete, unless more is wanted than is available."""
    template = {"spec": {"new": True}}
    items: list[Object] = [
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": metadata(name),
            "spec": {"replicas": wanted, "revisionHistoryLimit": limit, "template": template},
            "status": {"replicas": wanted, "updatedReplicas": wanted, "availableReplicas": available},
        }
    ]
    for revision in range(1, old + 2):
        more = {
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "creationTimestamp": f"2026-11-{revision:02}T00:00:00Z",
        }
        spec = {"replicas": 0, "template": template if revision > old else {"spec": {"revision": revision}}}
        items.append(
            {
                "kind": "ReplicaSet",
                "apiVersion": "apps/v1",
                "metadata": metadata(f"{name}-{revision}", name, **more),
                "spec": spec,
            }
        )
    return items


def job(name: str = "import", *, ttl: int | None = 60) -> Object:
    at = "2026-11-25T10:00:00Z"
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": metadata(name),
        "spec": {} if ttl is None else {"ttlSecondsAfterFinished": ttl},
        "status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": at}]},
    }


def dump(*items: Object) -> bytes:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": [CLUSTER, *items]}).encode()


def seen(*items: Object) -> history.HistorySeen:
    return history.read_dump(dump(*items))


def planned(*items: Object, **policy: Any) -> history.PruningPlan:
    return history.pruning_plan(seen(*items), version="1.34", now=NOW, policy=policy)


def going(plan: history.PruningPlan) -> list[str]:
    return [step.action["object"]["name"] for step in plan.steps]


# --- dumps


def test_a_dump_is_read_from_a_path_and_from_bytes_alike(tmp_path: Path) -> None:
    text = dump(*deployment(), job())
    (tmp_path / "dump.json").write_bytes(text)
    read = history.read_dump(text)
    assert history.read_dump(tmp_path / "dump.json") == read
    assert history.read_dump(str(tmp_path / "dump.json")) == read
    assert history.read_dump(bytearray(text)) == read
    assert read.cluster == "c1"
    assert {kind: count for kind, count in read.counts.items() if count} == {
        "deployments": 1,
        "replicaSets": 6,
        "jobs": 1,
    }
    assert repr(read) == "<HistorySeen 1 deployments, 1 jobs, 6 replicaSets>"
    assert read.unread == []


def test_what_cannot_be_read_is_named_and_the_rest_is_read() -> None:
    without_uid = job("no-uid")
    del without_uid["metadata"]["uid"]
    wrong = job("wrong")
    wrong["spec"]["ttlSecondsAfterFinished"] = "soon"
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}}
    read = seen(without_uid, wrong, service, job("good"))
    assert read.counts["jobs"] == 1
    assert [one["problem"]["unread"] for one in read.unread] == ["missing", "invalid", "unknownKind"]
    assert "items[1] Job shop/no-uid" in read.unread[0]["place"]
    assert "uid" in read.unread[0]["problem"]["field"]
    plan = history.pruning_plan(read, version="1.34", now=NOW)
    assert going(plan) == ["good"]
    assert [held.reason["reason"] for held in plan.held] == ["unread"] * 3
    assert plan.is_blocked


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (b"", "it ends too soon"),
        (dump(job())[:-40], "it ends too soon"),
        (b"\x00\xff", "no JSON"),
        (b"[1, 2]", "no list and no object of Kubernetes"),
        (b'{"metadata": {}}', "neither items nor kind"),
    ],
)
def test_what_is_no_dump_is_refused_with_its_place(damaged: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        history.read_dump(damaged)
    assert isinstance(caught.value, ValueError)
    assert caught.value.error == "notADump"
    assert caught.value.to_dict()["line"] in (0, 1)


def test_nothing_of_a_damaged_dump_is_in_the_error() -> None:
    with pytest.raises(InvalidInput) as caught:
        history.read_dump(b'{"items": [{"kind": "Secret", "data": {"password": "s3cret-planted" oops')
    assert "s3cret-planted" not in str(caught.value) + str(caught.value.to_dict())


def test_what_is_no_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        history.read_dump(tmp_path / "none.json")
    with pytest.raises(FileError, match="no regular file"):
        history.read_dump(tmp_path)
    with pytest.raises(TypeError):
        history.read_dump(7)  # type: ignore[arg-type]


# --- plans


def test_a_plan_deletes_what_the_controller_would_and_says_why_the_rest_stays() -> None:
    plan = planned(*deployment(), job())
    assert going(plan) == ["web-1", "web-2", "web-3", "import"]
    assert plan.steps[0].action["why"] == {"why": "overLimit", "limit": 2, "setBy": "workload"}
    assert plan.steps[0].action["propagation"] == "Background"
    assert plan.steps[0].guards[0] == "the cluster's kube-system has the uid c1"
    assert {held.target: held.reason["reason"] for held in plan.held} == {
        "ReplicaSet shop/web-4": "withinLimit",
        "ReplicaSet shop/web-5": "withinLimit",
        "ReplicaSet shop/web-6": "new",
    }
    assert (bool(plan), plan.is_empty, plan.is_blocked) == (True, False, False)
    lines = str(plan).splitlines()
    assert lines[0].startswith("plan: ")
    assert any("Deployment shop/web: no rollback any more to revision 1, 2, 3" in line for line in lines)
    assert any(line.startswith("  1. ReplicaSet shop/web-1: delete revision 1: over the limit of 2") for line in lines)
    assert any(notice.to_dict()["notice"] == "rollbackLost" for notice in plan.notices)


def test_policies_go_below_the_controllers_and_hold_back_what_they_protect() -> None:
    items = [*deployment(), job()]
    assert going(planned(*items, revisions={"maxKept": 1})) == ["web-1", "web-2", "web-3", "web-4", "import"]
    assert going(planned(*items, parts=["replicaSets"], revisions={"maxKept": 0, "lastKnownGood": "kept"})) == [
        *("web-1", "web-2", "web-3", "web-4")
    ]
    assert going(planned(*items, parts=["replicaSets"], revisions={"maxAge": "PT1H"})) == [
        *("web-1", "web-2", "web-3", "web-4", "web-5")
    ]
    assert going(planned(*items, parts=["replicaSets"], revisions={"minAge": "PT550H"})) == ["web-1", "web-2"]
    assert going(planned(*items, namespaces=["other"])) == []
    assert going(planned(job("alone", ttl=None))) == []
    assert going(planned(job("alone", ttl=None), parts=["unownedJobs"], unownedJobsOlderThan="PT1H")) == ["alone"]
    wide = planned(*items, blastRadius={"mostObjects": 3})
    assert (going(wide), wide.is_blocked) == ([], True)
    assert wide.held[-1].reason["reason"] == "blastRadius" or wide.held[0].reason["reason"] == "blastRadius"
    share = planned(*items, blastRadius={"mostPercent": 10})
    assert "blastRadius" in {held.reason["reason"] for held in share.held}


def test_a_rollout_that_is_not_complete_is_held_back_unless_the_policy_prunes_it_all_the_same() -> None:
    items = deployment(wanted=3, available=2)
    held = planned(*items)
    assert (going(held), held.is_blocked) == ([], True)
    assert {one.reason["reason"] for one in held.held if one.is_obstacle} == {"incomplete"}
    assert going(planned(*items, incomplete="pruned")) == ["web-1", "web-2", "web-3"]


def test_without_the_cluster_nothing_goes() -> None:
    read = history.read_dump(json.dumps({"items": [job()]}).encode())
    plan = history.pruning_plan(read, version="1.34", now=NOW)
    assert (read.cluster, plan.is_blocked) == (None, True)
    assert "unknownCluster" in {held.reason["reason"] for held in plan.held}


@pytest.mark.parametrize(
    ("policy", "path", "problem"),
    [
        ({"revision": {}}, "revision", "unknown field"),
        ({"revisions": {"maxKept": -1}}, "revisions.maxKept", "invalid value"),
        ({"revisions": {"keep": 1}}, "revisions.keep", "unknown field"),
        ({"revisions": {"maxAge": "30 days ago"}}, "revisions.maxAge", "duration"),
        ({"revisions": {"maxAge": "-PT1H"}}, "revisions.maxAge", "negative age"),
        ({"jobs": {"minAge": "-PT1H"}}, "jobs.minAge", "negative age"),
        ({"helm": {"lastKnownGood": "yes"}}, "helm.lastKnownGood", "unknown variant"),
        ({"parts": ["replicasets"]}, "parts[0]", "unknown variant"),
        ({"namespaces": "shop"}, "namespaces", "invalid type"),
        ({"incomplete": True}, "incomplete", "invalid type"),
        ({"eventsOlderThan": "-PT1S"}, "eventsOlderThan", "negative age"),
        ({"terminatedPodGcThreshold": "many"}, "terminatedPodGcThreshold", "invalid type"),
        ({"helmHistoryMax": -1}, "helmHistoryMax", "invalid value"),
        ({"blastRadius": {"mostPercent": 101}}, "blastRadius.mostPercent", "101 percent"),
        ({"version": "1.20"}, "version", "argument of its own"),
    ],
)
def test_what_is_wrong_in_a_policy_is_named_by_its_path(policy: Object, path: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        history.pruning_plan(seen(), version="1.34", now=NOW, policy=policy)
    assert caught.value.path == path, str(caught.value)


def test_arguments_that_are_none_are_refused() -> None:
    with pytest.raises(UnsupportedVersion):
        history.pruning_plan(seen(), version="1.41", now=NOW)
    with pytest.raises(InvalidInput, match="is no moment"):
        history.pruning_plan(seen(), version="1.34", now="yesterday")
    with pytest.raises(TypeError):
        history.pruning_plan(seen(), version="1.34", now=NOW, policy=["helm"])  # type: ignore[arg-type]
    for wrong in ({"lanes": 0}, {"most_failures": 0}):
        with pytest.raises(InvalidInput, match="below 1"):
            history.Cluster("/nowhere", **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="without journal"):
        planned(job()).apply(history.Cluster("/nowhere"))


def test_plans_come_back_from_plain_data_from_json_and_from_pickle() -> None:
    read = seen(*deployment(), job(), {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"}})
    plan = history.pruning_plan(read, version="1.34", now=NOW)
    for value in (read, plan, plan.steps[0], plan.held[0], plan.notices[0]):
        assert type(value).from_dict(value.to_dict()) == value
        assert type(value).from_json(value.to_json()) == value
        assert pickle.loads(pickle.dumps(value)) == value
        assert str(pickle.loads(pickle.dumps(value))) == str(value)
    again = history.pruning_plan(history.HistorySeen.from_json(read.to_json()), version="1.34", now=NOW)
    assert again == plan
    data = plan.to_dict()
    data["steps"][0]["guards"][0]["guard"] = "none"
    with pytest.raises(InvalidInput, match="unknown variant") as caught:
        history.PruningPlan.from_dict(data)
    assert (caught.value.path or "").startswith("steps[0].guards[0]"), caught.value.path


# --- why it piles up


def test_advice_names_the_workload_its_numbers_and_the_field() -> None:
    found = history.advice(seen(*deployment(wanted=3, available=2)), version="1.34")
    assert [(one.target, one.cause) for one in found] == [("Deployment shop/web", "neverComplete")]
    assert found[0].details == {"cause": "neverComplete", "replicaSets": 5, "limit": 2, "available": 2, "wanted": 3}
    assert str(found[0]) == f"Deployment shop/web: {found[0].message}"
    assert "mend the rollout" in found[0].message
    assert history.advice(seen(*deployment()), version="1.34") == []
    unlimited = history.advice(seen(*deployment(limit=2**31 - 1, old=11)), version="1.34")
    assert [one.cause for one in unlimited] == ["noLimit"]
    again = history.Advice.from_json(found[0].to_json())
    assert (again, hash(again)) == (found[0], hash(found[0]))
    with pytest.raises(InvalidInput) as caught:
        history.advice(seen(), version="1.34", policy={"helmHistoryMax": "ten"})
    assert caught.value.path == "helmHistoryMax"


# --- back again


def journal(path: Path, *items: Object, cluster: str | None = "c1") -> Path:
    lines: list[Object] = [{"cluster": cluster}] if cluster else []
    for item in items:
        lines += [{"backup": {"uid": item["metadata"]["uid"], "object": item}}, {"deleted": item["metadata"]["uid"]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_an_undo_makes_again_what_does_no_harm_and_holds_back_what_would_run_again(tmp_path: Path) -> None:
    _, old, *_ = deployment()
    plan = history.undo_plan(journal(tmp_path / "journal", old, old, job()))
    assert [step.target for step in plan.steps] == ["ReplicaSet shop/web-1"]
    assert plan.steps[0].action["object"]["uid"] == "uid-web-1"
    assert [held.reason for held in plan.held] == [{"reason": "runsAgain", "kind": "Job"}]
    assert (plan.is_blocked, bool(plan)) == (False, True)
    assert str(plan).startswith("plan: undo of pruning in cluster c1\n")
    for value in (plan, plan.steps[0], plan.held[0], plan.notices[0]):
        assert type(value).from_json(value.to_json()) == value
        assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(InvalidInput, match="without journal"):
        plan.apply(history.Cluster("/nowhere"))


def test_a_journal_that_is_none_is_a_file_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileError, match="cannot be used") as caught:
            history.undo_plan(path)
        assert isinstance(caught.value, OSError)
        assert caught.value.to_dict()["path"] == str(path)
    with pytest.raises(FileError, match="names no cluster"):
        history.undo_plan(journal(tmp_path / "empty", cluster=None))
    (tmp_path / "other").write_text("s3cret-planted\n")
    with pytest.raises(FileError, match="names no cluster") as caught:
        history.undo_plan(tmp_path / "other")
    assert "s3cret" not in str(caught.value)


def test_an_undo_tells_how_much_of_its_journal_cannot_be_read(tmp_path: Path) -> None:
    _, old, *_ = deployment()
    path = journal(tmp_path / "journal", old)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 40 + b"\n")
    plan = history.undo_plan(path)
    assert [step.target for step in plan.steps] == ["ReplicaSet shop/web-1"]
    assert {"notice": "unreadable", "count": 1} in [notice.to_dict() for notice in plan.notices]


def test_what_a_secret_holds_is_in_no_plan(tmp_path: Path) -> None:
    labels = {"owner": "helm", "name": "web", "status": "superseded", "version": "1"}
    record = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": metadata("v1", labels=labels),
        "data": {"release": "czNjcmV0LXBsYW50ZWQ="},
    }
    plan = history.undo_plan(journal(tmp_path / "journal", record))
    told = [plan.to_json(), str(plan), repr(plan), seen(record).to_json(), planned(record).to_json()]
    assert [text for text in told if "czNjcmV0" in text or "s3cret" in text] == []
    assert len(plan.steps) == 1


# --- the interpreter's lock


def test_other_threads_run_while_dumps_are_read_and_plans_are_made(tmp_path: Path) -> None:
    text = dump(*[job(f"import-{at}") for at in range(20_000)])
    assert others_run_while(lambda: history.read_dump(text))
    (tmp_path / "dump.json").write_bytes(text)
    assert others_run_while(lambda: history.read_dump(tmp_path / "dump.json"))
    read = history.read_dump(text)
    assert others_run_while(lambda: history.pruning_plan(read, version="1.34", now=NOW))
    # One is over before another thread is awake.
    assert others_run_while(lambda: [history.advice(read, version="1.34") for _ in range(200)])
    kept = journal(tmp_path / "journal", *[job(f"import-{at}") for at in range(5_000)])
    assert others_run_while(lambda: history.undo_plan(kept))
