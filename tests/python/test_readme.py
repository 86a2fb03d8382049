"""The repository's face tells the truth: what stands in its documents runs, and what they name is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from real_ansible import playbook
from real_etcd import RealEtcd
from real_kubeadm import Kubernetes
from real_kubernetes import RealKubernetes
from real_s3 import RealS3
from trimtab import certs, etcd, history

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
ANSIBLE = ROOT / "examples" / "ansible"
QUOTA_BYTES = 16 * 1024 * 1024
# kubeadm's leaves are due from the first day on.
SHORT = "encryptionAlgorithm: ECDSA-P256\ncertificateValidityPeriod: 240h\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def the_block(language: str) -> str:
    (block,) = blocks(language)
    return block


@pytest.fixture
def full() -> Iterator[RealEtcd]:
    """One member whose writes are refused."""
    with RealEtcd(quota_bytes=QUOTA_BYTES) as cluster:
        cluster.fill()
        yield cluster


# --- Rust


def statements(lines: list[str]) -> list[str]:
    """The lines of an example without indentation, and without the frame that makes a program of it."""
    frame = {"", "fn main() -> Result<(), Box<dyn std::error::Error>> {", "Ok(())", "}"}
    return [line.strip() for line in lines if line.strip() not in frame]


def test_the_rust_examples_are_those_that_the_facade_tests() -> None:
    documentation = re.findall(r"^//! ?(.*)$", (ROOT / "crates/trimtab/src/lib.rs").read_text(), re.MULTILINE)
    tested = "\n".join(documentation).split("```")[1::2]
    assert len(tested) == len(blocks("rust")) == 2
    for block, example in zip(blocks("rust"), tested, strict=True):
        # What begins with `# ` is compiled and not shown.
        shown = [line for line in example.splitlines() if not re.match(r"\s*#( |$)", line)]
        assert len(statements(shown)) > 10
        assert statements(block.splitlines()) == statements(shown)


# --- Python


def test_the_python_example_rescues_a_real_etcd(
    full: RealEtcd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = etcd.Etcd
    monkeypatch.setattr(etcd, "Etcd", lambda endpoints, *, ca, cert, key: real(full.endpoints))
    names: dict[str, Any] = {}
    rescue, _, _, _ = blocks("python")
    exec(compile(rescue, "README.md", "exec"), names)
    assert names["report"].is_done, str(names["report"])
    assert full.put("/registry/pods/accepted", b"x")
    printed = capsys.readouterr().out
    assert str(names["plan"]) in printed
    assert str(names["report"]) in printed


def test_the_backup_example_saves_stores_and_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "backups").mkdir()
    with RealEtcd() as cluster, RealS3() as s3:
        assert cluster.put("/registry/pods/default/a", b"x")
        real = etcd.Etcd
        store = s3.store()
        monkeypatch.setattr(etcd, "Etcd", lambda endpoints: real(cluster.endpoints))
        stores = SimpleNamespace(directory=etcd.Store.directory, s3=lambda bucket, prefix: store)
        monkeypatch.setattr(etcd, "Store", stores)
        _, backup, _, _ = blocks("python")
        backup = backup.replace("/var/backups/etcd", str(tmp_path / "backups"))
        backup = backup.replace("/var/lib/etcd-restored", str(tmp_path / "restored"))
        names: dict[str, Any] = {}
        exec(compile(backup, "README.md", "exec"), names)
        assert names["report"].is_done, str(names["report"])
        assert [manifest.revision for manifest in names["store"].list().verified] == [names["manifest"].revision]
    assert (tmp_path / "restored/member/snap/db").is_file()
    printed = capsys.readouterr().out
    assert str(names["report"]) in printed
    assert "pods" in printed, "the keyspace report names what is in it"
    assert "clock" not in printed, "the new backup is none from the future"
    assert "newest verified" in printed, "the retention counts it"


def test_the_certificates_example_renews_what_kubeadm_made_and_asks_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Kubernetes(cluster=SHORT) as made, RealEtcd(pki=made.pki) as server:
        node, probe = made.node(), certs.probe
        monkeypatch.setattr(certs, "probe", lambda host, port: probe(host, server.ports[0]))
        monkeypatch.setattr(certs, "Node", lambda folder: node)
        _, _, example, _ = blocks("python")
        example = example.replace("/etc/kubernetes/pki/apiserver.crt", str(made.pki / "etcd" / "server.crt"))
        server.wait_until_it_listens()
        names: dict[str, Any] = {}
        exec(compile(example, "README.md", "exec"), names)
        assert names["report"].is_done, str(names["report"])
        assert names["report"].acted == 11
        printed = capsys.readouterr().out
        assert str(names["plan"]) in printed
        assert "the server shows the certificate of the file" in printed


def test_the_history_example_prunes_a_real_cluster_and_tells_what_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with RealKubernetes() as server:
        server.create("Namespace", "", "shop")
        server.deployment("shop")
        server.release("shop")
        real = history.Cluster
        monkeypatch.setattr(history, "Cluster", lambda conf, *, journal: real(server.conf, journal=journal))
        _, _, _, example = blocks("python")
        names: dict[str, Any] = {}
        exec(compile(example.replace("/var/lib/trimtab", str(tmp_path)), "README.md", "exec"), names)
        assert (names["report"].is_done, names["report"].acted) == (True, 5), str(names["report"])
        assert server.names("ReplicaSet", "shop") == ["web-4", "web-5", "web-6"]
    printed = capsys.readouterr().out
    assert str(names["plan"]) in printed
    assert "release shop/web: 12 records" in printed, "the advice"
    assert "report: dry run of the pruning" in printed
    assert "Secret shop/sh.helm.release.v1.web.v2: make it again" in printed, "the undo"


def test_the_plan_is_shown_as_it_is_printed() -> None:
    assert the_block("text") == str(etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head"))


# --- Ansible


def rescue(*arguments: str) -> tuple[int, dict[str, Any]]:
    ran = subprocess.run(
        [sys.executable, str(ANSIBLE / "rescue.py"), *arguments], capture_output=True, text=True, check=False
    )
    # Over ssh Ansible gives a script one stream for both: nothing but the JSON may be on it.
    assert ran.stderr == ""
    said: dict[str, Any] = json.loads(ran.stdout)
    return ran.returncode, said


def test_the_playbooks_are_those_in_examples() -> None:
    certificates, rescues = blocks("yaml")
    assert certificates == (ANSIBLE / "certificates.yml").read_text()
    assert rescues == (ANSIBLE / "rescue.yml").read_text()
    (play,) = yaml.safe_load(rescues)
    script = play["tasks"][0]["ansible.builtin.script"]["cmd"].split()[0]
    assert (ANSIBLE / script).is_file()


def test_the_certificates_playbook_plans_renews_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    play, _ = blocks("yaml")
    with Kubernetes(cluster=SHORT) as made:
        folders = f"        folder: {made.folder}\n        kubelet_dir: {made.kubelet}\n"
        play = play.replace("      register: renewal\n", f"{folders}      register: renewal\n")
        before = made.contents()
        for options, changes in ((("--check", "--diff"), True), ((), True), ((), False)):
            ran = playbook(tmp_path, play, "-e", "kubernetes_version=1.31.0", *options)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert ("changed=1 " in ran.stdout) == changes, ran.stdout
            assert ("manifests/kube-scheduler.yaml" in ran.stdout) == changes, ran.stdout
            assert (made.contents() == before) == ("--check" in options)


def test_the_ansible_script_holds_back_plans_rescues_and_then_has_nothing_to_do(full: RealEtcd) -> None:
    endpoint = ("--endpoint", full.endpoints[0])
    code, said = rescue(*endpoint)
    assert (code, said["changed"]) == (2, False)
    assert any("held back" in line for line in said["plan"])

    code, said = rescue(*endpoint, "--compact-to", "head", "--plan-only")
    assert (code, said["changed"]) == (0, True)
    assert not full.put("/registry/pods/refused", b"x")

    code, said = rescue(*endpoint, "--compact-to", "head")
    assert (code, said["changed"]) == (0, True), said
    assert full.put("/registry/pods/accepted", b"x")

    for again in ((), ("--plan-only",)):
        code, said = rescue(*endpoint, "--compact-to", "head", *again)
        assert (code, said["changed"]) == (3, False)


def test_what_fails_in_the_ansible_script_is_told_as_json() -> None:
    code, said = rescue("--endpoint", "http://127.0.0.1:1")
    assert (code, said["changed"]) == (1, False)
    assert "http://127.0.0.1:1 cannot be reached" in said["error"]
    for wrong in ([], ["--endpoint", "ftp://127.0.0.1"], ["--endpoint", "127.0.0.1", "--cert", "no-such-file"]):
        code, said = rescue(*wrong)
        assert (code, said["changed"]) == (1, False)
        assert said["error"]


# --- what the documents name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`|&& |\w=\w+ )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE)
    assert named or document == "ARCHITECTURE.md"
    assert set(named) <= set(targets)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document: str) -> None:
    """Capitals stand for names of the reader's own; what is built is not looked for."""
    text = (ROOT / document).read_text()
    tops = "|".join(
        re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name not in ("target", ".testbed")
    )
    named = {path.rstrip("/.") for path in re.findall(rf"(?<![\w/.-])((?:{tops})/[\w./-]+)", text)}
    named = {path for path in named if not re.search(r"[A-Z]{2}|1\.N|3\.N|RELEASE", path)}
    assert len(named) > 1
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_python_in_the_documents_compiles() -> None:
    for document in DOCUMENTS:
        for block in re.findall(r"^ *```python\n(.*?)^ *```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL):
            compile(as_code(textwrap.dedent(block)), document, "exec")


def as_code(block: str) -> str:
    """A line of a dictionary, `"key": value,`, is shown without the dictionary."""
    return re.sub(r'^("[^"]+": .*),$', r"{\1}", block, flags=re.MULTILINE)
