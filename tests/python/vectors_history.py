"""The cases of the area history, through plans over a dump that is made of each."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab import history

Case = dict[str, Any]

START = datetime(2026, 1, 1, tzinfo=UTC)
# The pods that wait for finalizers are from upstream's main branch after 1.37; the rules of 1.37 give the same answers.
VERSION = "1.37"
CLUSTER = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "cluster"}}
UNUSED = {"spec": {"containers": []}}


def moment(offset: timedelta) -> str:
    return (START + offset).strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata(name: str, owner: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"namespace": "default", "name": name, "uid": f"uid-{name}", "resourceVersion": "1", **more}
    if owner:
        kind, api_version = owner
        made["ownerReferences"] = [
            {"apiVersion": api_version, "kind": kind, "name": "owner", "uid": "uid-owner", "controller": True}
        ]
    return made


def planned(items: list[Case], now: datetime = START, **policy: Any) -> history.PruningPlan:
    seen = history.read_dump(json.dumps({"items": [CLUSTER, *items]}).encode())
    assert seen.unread == [], seen.unread
    return history.pruning_plan(seen, version=VERSION, now=now, policy=policy)


def deleted(plan: history.PruningPlan) -> list[str]:
    return [step.action["object"]["name"] for step in plan.steps]


def deployment_cleanup(case: Case, expected: Any) -> Any:
    owner = ("Deployment", "apps/v1")
    items: list[Case] = [
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": metadata("owner"),
            "spec": {
                "replicas": 0,
                "revisionHistoryLimit": case["revisionHistoryLimit"],
                "template": {"spec": {"new": True}},
            },
            "status": {},
        },
        {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": metadata("the-new-one", owner),
            "spec": {"replicas": 0, "template": {"spec": {"new": True}}},
        },
    ]
    for old in case["oldReplicaSets"]:
        more: dict[str, Any] = {"creationTimestamp": moment(timedelta(minutes=old.get("creationOffsetMinutes", 0)))}
        if "revision" in old:
            more["annotations"] = {"deployment.kubernetes.io/revision": old["revision"]}
        if old.get("deletionTimestamp"):
            more["deletionTimestamp"] = moment(timedelta(0))
        if "generation" in old:
            more["generation"] = old["generation"]
        status = {"replicas": old["statusReplicas"], "observedGeneration": old.get("observedGeneration", 0)}
        spec = {"replicas": old["specReplicas"], "template": UNUSED}
        items.append(
            {
                "kind": "ReplicaSet",
                "apiVersion": "apps/v1",
                "metadata": metadata(old["name"], owner, **more),
                "spec": spec,
                "status": status,
            }
        )
    names = deleted(planned(items, parts=["replicaSets"]))
    return {"deletions": len(names)} if "deletions" in expected else {"deleted": names}


def controller_revision(case: Case, expected: Any) -> Any:
    kind = case["kind"]
    owner = (kind, "apps/v1")
    status = {"currentRevision": case.get("currentRevision"), "updateRevision": case.get("updateRevision")}
    spec = {"revisionHistoryLimit": case["revisionHistoryLimit"], "template": {"spec": {"new": True}}}
    items: list[Case] = [
        {"kind": kind, "apiVersion": "apps/v1", "metadata": metadata("owner"), "spec": spec, "status": status}
    ]
    for revision in case["revisions" if kind == "StatefulSet" else "oldRevisions"]:
        labels = {"controller-revision-hash": revision["hash"]} if "hash" in revision else {}
        items.append(
            {
                "kind": "ControllerRevision",
                "apiVersion": "apps/v1",
                "metadata": metadata(revision["name"], owner, labels=labels),
                "revision": revision["revision"],
                "data": {"spec": {"template": UNUSED}},
            }
        )
    if kind == "DaemonSet":
        current = {"spec": {"template": {"$patch": "replace", "spec": {"new": True}}}}
        items.append(
            {
                "kind": "ControllerRevision",
                "apiVersion": "apps/v1",
                "metadata": metadata("the-new-one", owner),
                "revision": 10_000,
                "data": current,
            }
        )
    for at, label in enumerate(case["podRevisionLabels" if kind == "StatefulSet" else "livePodHashes"]):
        labels = {"controller-revision-hash": label}
        items.append(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": metadata(f"pod-{at}", owner, labels=labels),
                "status": {"phase": "Running"},
            }
        )
    items.append(
        {"kind": "Pod", "apiVersion": "v1", "metadata": metadata("somebody-elses"), "status": {"phase": "Running"}}
    )
    plan = planned(items, parts=["controllerRevisions"])
    return {"deletedInOrder": deleted(plan)}


def cron_job(case: Case, expected: Any) -> Any:
    limits = {name: case[name] for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")}
    items: list[Case] = [{"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata("owner"), "spec": limits}]
    for job in case["jobs"]:
        conditions = []
        if job["condition"] is not None:
            conditions = [{"type": job["condition"], "status": "True", "lastTransitionTime": job.get("startTime")}]
        status = {"startTime": job.get("startTime"), "conditions": conditions}
        items.append(
            {
                "kind": "Job",
                "apiVersion": "batch/v1",
                "metadata": metadata(job["name"], ("CronJob", "batch/v1")),
                "spec": {},
                "status": status,
            }
        )
    # Upstream's table says which go; in which order its two classes go is not in it.
    return {"deleted": sorted(deleted(planned(items, parts=["cronJobs"])))} | {
        key: value for key, value in expected.items() if key != "deleted"
    }


def job_ttl(case: Case, expected: Any) -> Any:
    conditions = []
    if case.get("finishedCondition"):
        at = case.get("finishedSecondsBeforeNow")
        finished = None if at is None else moment(timedelta(seconds=-at))
        conditions = [{"type": case["finishedCondition"], "status": "True", "lastTransitionTime": finished}]
    ttl = case.get("ttlSecondsAfterFinished")
    job = {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": metadata("job"),
        "spec": {"ttlSecondsAfterFinished": ttl},
        "status": {"conditions": conditions},
    }
    plan = planned([job], parts=["jobTtl"])
    if plan.steps:
        expires = plan.steps[0].action["why"]["expired"]
    elif plan.held[0].reason["reason"] == "timeToLive":
        expires = plan.held[0].reason["expires"]
    else:
        return expected if "error" in expected else {"error": plan.held[0].reason["reason"]}
    return {"timeLeftSeconds": int((datetime.fromisoformat(expires) - START).total_seconds())}


def pod_gc(case: Case, expected: Any) -> Any:
    items: list[Case] = []
    for at, pod in enumerate(case["pods"]):
        more: dict[str, Any] = {"creationTimestamp": pod.get("creationTimestamp") or moment(timedelta(seconds=at))}
        if pod.get("deletionTimestamp"):
            more["deletionTimestamp"] = moment(timedelta(0))
        more |= {name: pod[name] for name in ("deletionGracePeriodSeconds", "finalizers") if name in pod}
        reason = pod.get("reason") or ("Evicted" if pod.get("evicted") else None)
        items.append(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": metadata(pod["name"], **more),
                "status": {"phase": pod["phase"], "reason": reason},
            }
        )
    plan = planned(items, parts=["pods"], terminatedPodGcThreshold=case["threshold"])
    return {"deleted": sorted(deleted(plan))} | {key: value for key, value in expected.items() if key != "deleted"}


def helm(case: Case, expected: Any) -> Any:
    """Before it writes a record Helm makes room for it; 0 is no limit.

    The one that is being written stands in the dump as if it had failed: it takes a place and protects nothing, and no
    operation is left under way.
    """
    tiller = str(case.get("helmVersion") or case.get("generation") or case.get("helm") or "").lstrip("v")[:1] in (
        "2",
        "t",
    )
    items: list[Case] = []
    for record in [*case["history"], {**case["create"], "status": "failed"}]:
        version, status = str(record["version"]), record["status"]
        labels = {"owner": "helm", "name": "web", "status": status, "version": version}
        name, kind = f"sh.helm.release.v1.web.v{version}", "Secret"
        if tiller:
            labels = {"OWNER": "TILLER", "NAME": "web", "STATUS": status.upper(), "VERSION": version}
            name, kind = f"web.v{version}", "ConfigMap"
        items.append({"kind": kind, "apiVersion": "v1", "metadata": metadata(name, labels=labels)})
    most = case["maxHistory"]
    limits: dict[str, Any] = {"helmHistoryMax": 0}
    if most > 0:
        limits = {"helm": {"maxKept": most}, "helmHistoryMax": 0}
    gone = {step.action["revision"] for step in planned(items, parts=["helm"], **limits).steps}
    versions = [record["version"] for record in case["history"] if record["version"] not in gone]
    return {"remaining": sorted([*versions, case["create"]["version"]])}
