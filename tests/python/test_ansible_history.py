"""`trimtab.kube.history` on a real API server: check mode changes nothing, a run does, a second one does not."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from real_ansible import PROGRAMS, environment
from real_ansible import module as any_module
from real_etcd import free_ports
from real_kubernetes import VERSION, RealKubernetes
from test_history_live import kubeconfig, left

module = partial(any_module, name="trimtab.kube.history")


@pytest.fixture
def shop(kubernetes: RealKubernetes) -> str:
    """Three ReplicaSets and two records of Helm too many."""
    namespace = kubernetes.namespace()
    kubernetes.deployment(namespace)
    kubernetes.release(namespace)
    return namespace


def of(kubernetes: RealKubernetes, shop: str, tmp_path: Path, **more: Any) -> dict[str, Any]:
    policy = {"namespaces": [shop]} | more.pop("policy", {})
    given = {"kubeconfig": str(kubernetes.conf), "journal": str(tmp_path / "journal"), "deletes_per_second": 0}
    return {"version": VERSION, "policy": policy} | given | more


def test_check_mode_shows_the_plan_a_run_carries_it_out_and_a_second_one_changes_nothing(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    before = left(kubernetes, shop)
    checked = module(tmp_path, of(kubernetes, shop, tmp_path, journal=None), "--check", "--diff")
    assert (checked["changed"], checked["failed"]) == (True, False), checked
    assert [step["action"]["object"]["name"] for step in checked["steps"]] == [
        *("web-1", "web-2", "web-3"),
        *("sh.helm.release.v1.web.v1", "sh.helm.release.v1.web.v2"),
    ]
    assert {one["reason"]["reason"] for one in checked["held"]} == {"new", "withinLimit", "deployed"}
    assert {one["notice"] for one in checked["notices"]} >= {"total", "rollbackLost"}
    assert checked["advice"] == [
        f"release {shop}/web: 12 records: it was upgraded with --history-max 0 or HELM_MAX_HISTORY=0, or not since; "
        "set HELM_MAX_HISTORY=10"
    ]
    assert "report" not in checked
    assert f"1. ReplicaSet {shop}/web-1: delete revision 1" in checked["said"], "the diff is the plan"

    tried = module(tmp_path, of(kubernetes, shop, tmp_path, server_side_dry_run=True), "--check")
    assert (tried["changed"], tried["failed"]) == (True, False), tried
    assert tried["report_text"][0].startswith("report: dry run of the ")
    assert {step["outcome"] for step in tried["report"]["steps"]} == {"done"}
    assert (left(kubernetes, shop), (tmp_path / "journal").exists()) == (before, False)

    done = module(tmp_path, of(kubernetes, shop, tmp_path))
    assert (done["changed"], done["failed"]) == (True, False), done
    assert {step["outcome"] for step in done["report"]["steps"]} == {"done"}
    after = left(kubernetes, shop)
    assert (after["ReplicaSet"], len(after["Secret"])) == (["web-4", "web-5", "web-6"], 10)

    for options in ((), ("--check",)):
        again = module(tmp_path, of(kubernetes, shop, tmp_path), *options)
        assert (again["changed"], again["failed"], again["steps"]) == (False, False, []), again
    assert left(kubernetes, shop) == after


def test_what_is_held_back_fails_or_warns_and_the_rest_goes(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    # Its controller would not prune it now.
    kubernetes.merge("Deployment", shop, "web", {"spec": {"replicas": 1}})
    failed = module(tmp_path, of(kubernetes, shop, tmp_path))
    assert (failed["failed"], failed["changed"]) == (True, True), failed
    assert f"Deployment {shop}/web" in failed["msg"]
    assert len(failed["report"]["steps"]) == 2
    warned = module(tmp_path, of(kubernetes, shop, tmp_path, held="warn"))
    assert (warned["failed"], warned["changed"]) == (False, False)
    assert any(f"Deployment {shop}/web" in warning for warning in warned["warnings"])
    wide = module(
        tmp_path, of(kubernetes, shop, tmp_path, policy={"helm": {"maxKept": 1}, "blastRadius": {"mostObjects": 1}})
    )
    assert (wide["failed"], wide["changed"], wide["steps"]) == (True, False, [])
    assert "the policy allows 1" in wide["msg"]


def test_what_cannot_be_followed_or_reached_fails_with_its_kind(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    before = left(kubernetes, shop)
    wrong = module(tmp_path, of(kubernetes, shop, tmp_path, policy={"revisions": {"keep": 3}}))
    assert (wrong["failed"], wrong["changed"]) == (True, False)
    assert wrong["details"]["path"] == "revisions.keep"
    without = module(tmp_path, of(kubernetes, shop, tmp_path, journal=None))
    assert (without["failed"], without["msg"].split(":")[0]) == (True, "journal is missing")
    nowhere = kubeconfig(tmp_path / "nowhere.conf", free_ports(1)[0])
    unreached = module(tmp_path, of(kubernetes, shop, tmp_path, kubeconfig=str(nowhere)), "--check")
    assert (unreached["failed"], unreached["details"]["error"]) == (True, "unreachable")
    nobody = kubernetes.user(f"nobody-{shop}")
    blind = module(tmp_path, of(kubernetes, shop, tmp_path, kubeconfig=str(nobody)), "--check")
    assert (blind["failed"], blind["changed"]) == (True, False)
    assert "this user may not list them" in blind["msg"]
    assert left(kubernetes, shop) == before


def test_nothing_that_a_secret_holds_is_in_what_ansible_says(
    kubernetes: RealKubernetes, shop: str, tmp_path: Path
) -> None:
    payload = kubernetes.read("Secret", shop, "sh.helm.release.v1.web.v1")["data"]["release"]
    said = [
        json.dumps(module(tmp_path, of(kubernetes, shop, tmp_path), "-vvv", "--diff", *options))
        for options in (("--check",), ())
    ]
    assert [text for text in said if payload in text or payload[:40] in text] == []
    assert payload in (tmp_path / "journal").read_text()


def test_the_documentation_of_the_module_is_read_by_ansible(tmp_path: Path) -> None:
    command = [str(PROGRAMS / "ansible-doc"), "--json", "trimtab.kube.history"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert said.returncode == 0, said.stderr
    read = json.loads(said.stdout)["trimtab.kube.history"]
    assert set(read["doc"]["options"]) == {
        *("version", "kubeconfig", "context", "policy", "journal", "deletes_per_second", "lanes", "most_failures"),
        *("server_side_dry_run", "held"),
    }
    assert set(read["return"]) == {"plan_text", "steps", "held", "notices", "advice", "report", "report_text"}
