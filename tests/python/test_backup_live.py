"""A real etcd is saved, its backup goes to a real bucket, and a new cluster starts from it, all from Python."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trimtab
from real_etcd import RealEtcd
from real_s3 import RealS3
from trimtab import etcd

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def three() -> Iterator[RealEtcd]:
    """Three members with some history."""
    with RealEtcd(members=3) as cluster:
        for turn in range(20):
            assert cluster.put(f"/registry/pods/default/p{turn % 5}", os.urandom(2000))
        yield cluster


def save(cluster: RealEtcd, directory: Path, **policy: Any) -> etcd.SaveReport:
    target = etcd.Etcd(cluster.endpoints)
    return etcd.save_plan(target.observe(), directory=directory, now=datetime.now(UTC), **policy).apply(target)


def test_a_backup_is_what_the_members_have_and_goes_all_the_way_to_a_new_cluster(
    three: RealEtcd, tmp_path: Path
) -> None:
    target = etcd.Etcd(three.endpoints)
    plan = etcd.save_plan(target.observe(), directory=tmp_path, now=NOW)
    events: list[etcd.SaveEvent] = []
    report = etcd.SavePlan.from_json(plan.to_json()).apply(target, progress=events.append)
    assert report.is_done, str(report)
    assert (report.acted, events[0].event, events[-1].event) == (1, "begun", "ended")
    assert events[0].step == plan.steps[0]
    again = plan.apply(target)
    assert (again.is_done, again.acted) == (True, 0)

    (manifest,) = etcd.Store.directory(tmp_path).list().verified
    assert manifest.agreeing == 3
    saved = tmp_path / manifest.name
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    verified = etcd.verify(saved)
    assert verified.hash_kv.hash == manifest.hash_kv
    said = three.tool("etcdutl", "snapshot", "status", str(saved))
    assert said["hash"] == verified.status.hash
    assert (said["revision"], said["totalKey"], said["totalSize"]) == (
        verified.status.revision,
        verified.status.total_key,
        verified.status.total_size_bytes,
    )
    hashes = three.tool("etcdctl", "--endpoints", ",".join(three.endpoints), "endpoint", "hashkv")
    assert {member["HashKV"]["hash"] for member in hashes} == {manifest.hash_kv}
    assert [row["name"] for row in etcd.keyspace(saved).resources] == ["pods"]

    with RealS3() as s3:
        store = s3.store()
        put = store.put(saved, manifest, compression="zstd")
        assert store.verify(put.name, scratch=tmp_path).is_sound
        assert store.list().findings(now=datetime.now(UTC)) == []
        store.fetch(put.name, tmp_path / "fetched.db")
    assert (tmp_path / "fetched.db").read_bytes() == saved.read_bytes()

    restored = RealEtcd()
    peer = f"m0=http://127.0.0.1:{restored.ports[1]}"
    seen = etcd.restore_observe(tmp_path / "fetched.db")
    assert (seen.voters, seen.learners) == (3, 0)
    restore = etcd.restore_plan(
        seen, member="m0", initial_cluster=peer, initial_cluster_token="etcd-cluster", bump_revision=1_000_000
    )
    restore.apply(tmp_path / "fetched.db", restored.folder / "m0")
    with restored:
        assert sorted(restored.stored_keys()) == sorted(three.stored_keys())
        after = etcd.Etcd(restored.endpoints).observe()
        assert after.head == verified.status.current_revision + 1_000_000
        assert after.cluster_id == restore.cluster_id


@pytest.mark.parametrize("word", ["verifying", "comparing"])
def test_a_save_that_a_callback_ends_leaves_nothing(three: RealEtcd, word: str, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: etcd.SaveEvent) -> None:
        if word in (event.message or ""):
            raise Stop

    target = etcd.Etcd(three.endpoints)
    plan = etcd.save_plan(target.observe(), directory=tmp_path, now=NOW)
    with pytest.raises(Stop):
        plan.apply(target, progress=stop)
    assert list(tmp_path.iterdir()) == []


SAVES = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from trimtab import etcd
cluster = etcd.Etcd(sys.argv[1])
plan = etcd.save_plan(cluster.observe(), directory=sys.argv[2], now="2026-11-25T00:00:00Z")
def told(event):
    print(event, flush=True)
    if "verifying" in (event.message or ""):
        time.sleep(600)
plan.apply(cluster, progress=told)
"""


def test_ctrl_c_leaves_nothing(three: RealEtcd, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVES, three.endpoints[0], str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert any("verifying" in line for line in iter(child.stdout.readline, ""))
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []


def test_whom_to_save_from_is_a_choice(three: RealEtcd, tmp_path: Path) -> None:
    target = etcd.Etcd(three.endpoints)
    seen = target.observe()
    leader = next(member for member in seen.members if member.id == seen.leader)
    sources: list[Any] = ["leader", {"member": leader.id}]
    plans = [etcd.save_plan(seen, directory=tmp_path, now=NOW, source=source) for source in sources]
    assert [plan.steps[0].action["member"] for plan in plans] == [leader.id] * 2
    follower = etcd.save_plan(seen, directory=tmp_path, now=NOW, compare="source")
    assert follower.steps[0].action["member"] != leader.id
    assert follower.steps[0].action["compare"] == "source"
    learner = etcd.save_plan(seen, directory=tmp_path, now=NOW, source="learner")
    assert (bool(learner), learner.is_blocked) == (False, True)
    assert learner.held[-1].reason == {"reason": "nobody", "source": "learner"}


def test_a_directory_that_is_missing_is_a_failure_of_the_step(three: RealEtcd, tmp_path: Path) -> None:
    report = save(three, tmp_path / "nowhere")
    assert not report.is_done
    assert report.stopped_at is not None
    assert report.stopped_at.outcome["failure"]["error"] == "noSuchStore"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"directory": ""}, "the directory to save into is empty"),
        ({"idle_seconds": 0}, "a limit of 0 seconds"),
        ({"source": "anybody"}, "source cannot be read"),
        ({"compare": "nobody"}, "compare cannot be read"),
    ],
)
def test_a_policy_that_cannot_be_followed_says_what_would_be_right(policy: dict[str, Any], said: str) -> None:
    with pytest.raises(trimtab.InvalidInput, match=said):
        etcd.save_plan(etcd.example_healthy(), **{"directory": "/var/backups", "now": NOW} | policy)


def test_backups_of_a_cluster_that_was_set_back_are_a_finding(three: RealEtcd, tmp_path: Path) -> None:
    assert save(three, tmp_path).is_done
    store = etcd.Store.directory(tmp_path)
    (manifest,) = store.list().verified
    later = manifest.to_dict()
    later["takenAt"] = (datetime.fromisoformat(manifest.taken_at) + timedelta(hours=1)).isoformat()
    moved = etcd.Manifest.from_dict(json.loads(json.dumps(later)))
    catalog = etcd.example_catalog([manifest, moved])
    assert [finding.finding for finding in catalog.findings(now=datetime.now(UTC) + timedelta(hours=2))] == [
        "revisionNotAbove"
    ]
