"""The Ansible collection on what real kubeadm made: check mode changes nothing, a run does, a second one does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_ansible import PROGRAMS, environment, module, playbook
from real_kubeadm import Kubernetes
from test_certs_renewal import program

# Its leaves are due from the first day on.
SHORT = "encryptionAlgorithm: ECDSA-P256\ncertificateValidityPeriod: 240h\n"


@pytest.fixture
def due() -> Iterator[Kubernetes]:
    with Kubernetes(cluster=SHORT) as made:
        yield made


def of(made: Kubernetes, **more: Any) -> dict[str, Any]:
    return {"version": "1.31.0", "folder": str(made.folder), "kubelet_dir": str(made.kubelet)} | more


def test_check_mode_shows_the_plan_a_run_carries_it_out_and_a_second_one_changes_nothing(
    due: Kubernetes, tmp_path: Path
) -> None:
    before = due.contents()
    checked = module(tmp_path, of(due), "--check", "--diff")
    assert (checked["changed"], checked["failed"]) == (True, False), checked
    assert (due.contents(), due.ours()) == (before, [])
    assert len(checked["plan"]["steps"]) == 11
    assert "report" not in checked
    assert "1. admin.conf: renew to " in checked["said"], "the diff is the plan"
    assert checked["plan_text"][0] == f"plan: renewal of certificates in {due.folder}"

    done = module(tmp_path, of(due))
    assert (done["changed"], done["failed"], done["recovered"]) == (True, False, []), done
    assert {step["outcome"] for step in done["report"]["steps"]} == {"done"}
    assert done["report_text"][0].startswith("report: ")
    after = due.contents()
    assert {name for name in before if before[name] != after[name]} >= {"admin.conf", "pki/etcd/peer.crt"}
    assert due.kubeadm("certs", "check-expiration").returncode == 0

    for options in ((), ("--check",)):
        again = module(tmp_path, of(due), *options)
        assert (again["changed"], again["failed"], again["plan"]["steps"]) == (False, False, []), again
    assert due.contents() == after


def test_check_mode_foretells_that_a_run_mends_first_what_an_earlier_one_left_half_done(
    due: Kubernetes, tmp_path: Path
) -> None:
    program(due, "apiserver", die_at="7").communicate(timeout=60)
    assert [one["item"] for one in due.node().observe().unfinished] == ["apiserver"]
    only: dict[str, Any] = {"items": ["apiserver"], "due_within_hours": 0}
    checked = module(tmp_path, of(due, **only), "--check")
    assert (checked["failed"], checked["changed"]) == (False, True), checked
    wrong = module(tmp_path, of(due, items=["apisever"]))
    assert (wrong["failed"], wrong["changed"]) == (True, False)
    assert len(due.node().observe().unfinished) == 1, "what cannot be followed touches nothing"
    done = module(tmp_path, of(due, **only))
    assert (done["failed"], done["changed"], len(done["recovered"])) == (False, True, 1), done
    assert due.node().observe().unfinished == []


def test_only_what_is_asked_for_is_renewed(due: Kubernetes, tmp_path: Path) -> None:
    done = module(tmp_path, of(due, items=["apiserver", "etcd-peer"], key="ECDSA-P384", validity_hours=1000))
    assert [step["target"] for step in done["report"]["steps"]] == ["apiserver", "etcd-peer"]
    assert done["changed"], done
    wrong = module(tmp_path, of(due, items=["apisever"]))
    assert (wrong["failed"], wrong["changed"]) == (True, False)
    assert "apisever" in wrong["msg"]


def test_what_is_held_back_fails_or_warns_and_the_rest_is_renewed(due: Kubernetes, tmp_path: Path) -> None:
    (due.pki / "ca.key").unlink()
    failed = module(tmp_path, of(due))
    assert (failed["failed"], failed["changed"]) == (True, True)
    assert "held back: ca: its key " in failed["msg"]
    assert len([step for step in failed["report"]["steps"] if step["outcome"] == "done"]) == 5
    warned = module(tmp_path, of(due, held="warn"))
    assert (warned["failed"], warned["changed"]) == (False, False)
    assert any("held back: ca: its key " in warning for warning in warned["warnings"])
    nowhere = module(tmp_path, of(due, folder="/no/such/folder"))
    assert nowhere["failed"]
    assert "/no/such/folder" in nowhere["msg"]
    assert nowhere["details"]["error"] == "unreadable"


def test_no_key_is_in_what_ansible_says(due: Kubernetes, tmp_path: Path) -> None:
    def lines() -> set[str]:
        keys = [path.read_text() for path in due.folder.rglob("*.key*")]
        return {line for key in keys for line in key.splitlines() if "-----" not in line and len(line) > 30}

    secrets = lines()
    said = [json.dumps(module(tmp_path, of(due), "-vvv", "--diff", *options)) for options in (("--check",), ())]
    secrets |= lines()
    assert len(secrets) > 20
    assert not [secret for secret in secrets for text in said if secret in text]


def test_the_documentation_of_the_module_is_read_by_ansible(tmp_path: Path) -> None:
    command = [str(PROGRAMS / "ansible-doc"), "--json", "trimtab.kube.certificates"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert said.returncode == 0, said.stderr
    read = json.loads(said.stdout)["trimtab.kube.certificates"]
    assert set(read["doc"]["options"]) == {
        *("version", "folder", "certificates_dir", "kubelet_dir", "due_within_hours"),
        *("items", "validity_hours", "key", "held"),
    }
    assert set(read["return"]) == {"plan", "plan_text", "report", "report_text", "recovered"}
    ran = playbook(tmp_path, json.dumps([{"hosts": "control_plane", "gather_facts": False, "tasks": []}]))
    assert ran.returncode == 0, ran.stderr
