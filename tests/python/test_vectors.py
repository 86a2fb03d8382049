"""The vector runner itself: it counts, it fails on any miss, and it passes nothing by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
