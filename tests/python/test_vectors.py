"""The vector runner itself: it counts, it fails on any miss, and it passes nothing by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard
from trimtab import etcd

RUNNER = Path(__file__).parent / "vectors.py"
CASE: dict[str, Any] = {
    "id": "qos/1",
    "source": "by hand",
    "input": {"op": "compute_qos", "featureGates": {}, "pod": {"spec": {"containers": [{"name": "a"}]}}},
    "expected": "BestEffort",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TRIMTAB_VECTORS": str(folder)}
    return subprocess.run(
        [sys.executable, str(RUNNER), *arguments], env=environment, capture_output=True, text=True, check=False
    )


def write(folder: Path, topic: str, cases: list[dict[str, Any]]) -> None:
    file = folder / f"{topic}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(cases))


def test_a_topic_that_passes_is_counted(tmp_path: Path) -> None:
    write(tmp_path, "node/qos", [CASE, CASE])
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "python node/qos: 2/2\n", "")


def test_one_changed_value_fails_the_run_and_is_named(tmp_path: Path) -> None:
    write(tmp_path, "node/qos", [CASE, CASE | {"id": "qos/2", "expected": "Burstable"}])
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "python node/qos: 1/2\n")
    assert ran.stderr == 'node/qos: qos/2: expected "Burstable", got "BestEffort"\n'


def test_only_the_first_misses_of_a_topic_are_shown(tmp_path: Path) -> None:
    write(tmp_path, "node/qos", [CASE | {"expected": "Burstable"}] * 9)
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (1, "python node/qos: 0/9\n", 5)


@pytest.mark.parametrize("op", ["unheard_of", "parse"])
def test_an_op_that_nobody_knows_is_a_miss(op: str, tmp_path: Path) -> None:
    write(tmp_path, "node/qos", [CASE | {"input": CASE["input"] | {"op": op}}])
    assert run(tmp_path).stdout == "python node/qos: 0/1\n"


def test_a_topic_that_no_runner_knows_fails_and_the_others_still_run(tmp_path: Path) -> None:
    write(tmp_path, "certs/renewal", [CASE])
    write(tmp_path, "node/qos", [CASE])
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "python certs/renewal: 0/1\npython node/qos: 1/1\n")
    assert run(tmp_path, "--topics", "node/qos").returncode == 0


def test_nothing_to_run_fails(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 1
    write(tmp_path, "node/qos", [])
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "python node/qos: 0/0\n")


# --- databases

SNAPSHOT = etcd.example_snapshot()
VERIFIED = etcd.verify(SNAPSHOT)
SAID: dict[str, Any] = {
    "etcd": "3.6.16",
    "note": "by hand",
    "status": {
        "hash": VERIFIED.status.hash,
        "revision": 4,
        "totalKey": 2,
        "totalSize": 16384,
    },
    "hashkv": [{"header": {"revision": 4}, "hash": VERIFIED.hash_kv.hash, "compact_revision": -1, "hash_revision": 4}],
    "hashkv_at": [
        {"revision": at, "hash": etcd.hash_kv(SNAPSHOT, revision=at).hash, "compact_revision": -1} for at in (2, 3)
    ],
    "etcdutl_hashkv": {"hash": VERIFIED.hash_kv.hash, "hashRevision": 4, "compactRevision": -1},
}


def write_database(folder: Path, said: dict[str, Any], *, packed: bool = False) -> None:
    (folder / "etcd").mkdir(exist_ok=True)
    content = zstandard.compress(SNAPSHOT) if packed else SNAPSHOT
    (folder / "etcd" / ("3.6-a.db.zst" if packed else "3.6-a.db")).write_bytes(content)
    (folder / "etcd" / "3.6-a.json").write_text(json.dumps(said))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_each_word_about_a_database_is_a_case(packed: bool, tmp_path: Path) -> None:
    write_database(tmp_path, SAID, packed=packed)
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "python etcd/3.6-a: 5/5\n", "")


@pytest.mark.parametrize(
    ("wrong", "missed"),
    [
        ({"status": SAID["status"] | {"totalKey": 6}}, "status"),
        ({"etcd": "3.5.35"}, "status"),  # it counts the items of all buckets
        ({"hashkv": [SAID["hashkv"][0] | {"hash": 1}]}, "hashkv 0"),
        ({"hashkv_at": [SAID["hashkv_at"][0], SAID["hashkv_at"][1] | {"hash": 1}]}, "hashkv_at 1"),
        ({"etcdutl_hashkv": SAID["etcdutl_hashkv"] | {"hashRevision": 3}}, "etcdutl_hashkv"),
    ],
)
def test_one_wrong_word_about_a_database_is_named(wrong: dict[str, Any], missed: str, tmp_path: Path) -> None:
    write_database(tmp_path, SAID | wrong)
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "python etcd/3.6-a: 4/5\n")
    assert ran.stderr.startswith(f"etcd/3.6-a: {missed}: ")


def test_a_word_that_nobody_knows_is_a_miss(tmp_path: Path) -> None:
    write_database(tmp_path, SAID | {"defrag": {"freed": 5}})
    assert run(tmp_path).stdout == "python etcd/3.6-a: 5/6\n"


@pytest.mark.parametrize("missing", ["3.6-a.db", "3.6-a.json"])
def test_a_database_without_its_json_fails_and_so_does_the_reverse(missing: str, tmp_path: Path) -> None:
    write_database(tmp_path, SAID)
    (tmp_path / "etcd" / missing).unlink()
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "python etcd/3.6-a: 0/1\n")
