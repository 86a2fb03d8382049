"""`trimtab.certs`, a node's renewal end to end, on what real kubeadm made: kubeadm and openssl judge what comes out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pickle
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trimtab
import yaml
from real_etcd import RealEtcd
from real_kubeadm import LEAVES, VERSIONS, Kubernetes
from trimtab import certs
from trimtab.exceptions import DeadlineExceeded, FileError, FileInUse, Interrupted, InvalidInput, TlsError, Unreachable

# Every leaf is due, and gains time; no authority is.
ALL: dict[str, Any] = {"due_within_hours": 24 * 600, "validity_hours": 24 * 400}
SOON_SECONDS = 20.0


@pytest.fixture
def kubernetes() -> Iterator[Kubernetes]:
    with Kubernetes() as made:
        yield made


def planned(made: Kubernetes, **policy: Any) -> certs.RenewalPlan:
    seen = made.node().observe()
    return certs.renewal_plan(seen, version=made.version, now=datetime.now(UTC), **(ALL | policy))


def renewed(made: Kubernetes, **policy: Any) -> certs.RenewalReport:
    report = planned(made, **policy).apply(made.node())
    assert report.is_done, str(report)
    return report


def outcomes(report: certs.RenewalReport) -> dict[str, str]:
    return {step.target: step.outcome["outcome"] for step in report.steps}


def first(path: Path) -> certs.Certificate:
    certificate = certs.certificates(path)[0].certificate
    assert certificate is not None
    return certificate


def assert_every_pair_matches(made: Kubernetes) -> None:
    for stem in LEAVES.values():
        key = certs.PrivateKey.from_pem(made.pki / f"{stem}.key")
        assert key.matches(first(made.pki / f"{stem}.crt")), stem
    items = made.node().observe().pki["items"]
    assert {name for name, item in items.items() if item["key"] != "present"} == set()


def openssl_verifies(made: Kubernetes) -> None:
    authorities = {"etcd": "etcd/ca.crt", "front-proxy": "front-proxy-ca.crt"}
    for name, stem in LEAVES.items():
        prefix = next((prefix for prefix in authorities if name.startswith(prefix)), "")
        authority = authorities["etcd"] if name == "apiserver-etcd-client" else authorities.get(prefix, "ca.crt")
        command = ["openssl", "verify", "-x509_strict", "-CAfile", str(made.pki / authority), f"{made.pki / stem}.crt"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


# --- plan, apply, and again


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_node_is_renewed_and_kubeadm_and_openssl_take_it(version: str) -> None:
    with Kubernetes(version) as made:
        plan = planned(made)
        before = {name: first(made.pki / f"{stem}.crt") for name, stem in LEAVES.items()}
        events: list[certs.RenewalEvent] = []
        report = plan.apply(made.node(), progress=events.append)
        assert report.is_done, str(report)
        assert report.acted == len(plan.steps) == (10 if version.startswith("1.28") else 11)
        for name, old in before.items():
            new = first(made.pki / f"{LEAVES[name]}.crt")
            assert (new.subject, new.subject_alt_name, new.ext_key_usage) == (
                old.subject,
                old.subject_alt_name,
                old.ext_key_usage,
            )
            assert new.not_after > old.not_after
        assert_every_pair_matches(made)
        openssl_verifies(made)

        shown = made.kubeadm("certs", "check-expiration")
        assert shown.returncode == 0, shown.stderr
        day = (datetime.now(UTC) + timedelta(days=400)).strftime("%b %d, %Y")
        assert shown.stdout.count(day) == report.acted, shown.stdout
        assert planned(made, due_within_hours=720).is_empty

        assert [event.event for event in events if event.event != "progress"] == ["begun", "ended"] * report.acted
        said = [event.message for event in events if event.message]
        assert len(said) > 4 * report.acted
        assert any("kept the old one as" in line for line in said)
        assert [event.outcome for event in events if event.event == "ended"] == [step.outcome for step in report.steps]
        assert {event.step for event in events if event.event == "progress" and event.step is None} == set()


def test_a_saved_plan_applies_the_same_and_a_second_time_does_nothing(kubernetes: Kubernetes, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    plan = planned(kubernetes)
    saved.write_text(plan.to_json())
    again = certs.RenewalPlan.from_json(saved.read_text())
    assert again == plan == pickle.loads(pickle.dumps(plan))
    assert str(again) == str(plan)
    node = kubernetes.node()
    assert again.apply(node).acted == 11
    after, kept = kubernetes.contents(), kubernetes.ours()
    for one in (plan, again):
        report = one.apply(node)
        assert (report.is_done, report.acted) == (True, 0)
        assert {step.outcome["acted"] for step in report.steps} == {False}
    assert kubernetes.contents() == after
    assert kubernetes.ours() == kept
    assert certs.RenewalReport.from_json(report.to_json()) == report


def test_what_somebody_else_changed_since_the_plan_is_refused_and_the_rest_goes_on(kubernetes: Kubernetes) -> None:
    plan = planned(kubernetes)
    assert kubernetes.kubeadm("certs", "renew", "etcd-peer").returncode == 0
    theirs = (kubernetes.pki / "etcd" / "peer.crt").read_bytes()
    report = plan.apply(kubernetes.node())
    assert {name for name, outcome in outcomes(report).items() if outcome != "done"} == {"etcd-peer"}
    stopped = report.stopped_at
    assert stopped is not None
    assert (stopped.outcome["outcome"], stopped.outcome["found"]["found"]) == ("refused", "otherCertificate")
    assert (kubernetes.pki / "etcd" / "peer.crt").read_bytes() == theirs
    assert (report.is_done, report.acted) == (False, 10)


def test_a_plan_for_another_cluster_touches_nothing(kubernetes: Kubernetes) -> None:
    with Kubernetes() as other:
        before = other.contents()
        report = planned(kubernetes).apply(other.node())
        assert set(outcomes(report).values()) == {"refused"}
        assert other.contents() == before


def test_only_what_is_asked_for_is_renewed_with_the_key_that_is_asked_for(kubernetes: Kubernetes) -> None:
    apiserver, peer = kubernetes.pki / "apiserver", kubernetes.pki / "etcd" / "peer"
    kept = apiserver.with_suffix(".key").read_bytes()
    assert outcomes(renewed(kubernetes, items=["apiserver"], key="kept")) == {"apiserver": "done"}
    assert apiserver.with_suffix(".key").read_bytes() == kept
    renewed(kubernetes, items=["etcd-peer"], key="ECDSA-P384")
    assert certs.PrivateKey.from_pem(peer.with_suffix(".key")).algorithm == "ECDSA-P384"
    assert_every_pair_matches(kubernetes)
    for wrong in (
        {"items": ["apisever"]},
        {"items": ["sa"]},
        {"key": "Ed25519"},
        {"key": "old"},
        {"validity_hours": 0},
    ):
        with pytest.raises(InvalidInput):
            planned(kubernetes, **wrong)


def test_files_elsewhere_are_found(kubernetes: Kubernetes) -> None:
    kubernetes.pki.rename(kubernetes.dir / "certificates")
    node = certs.Node(kubernetes.folder, certificates_dir=kubernetes.dir / "certificates", kubelet_dir=kubernetes.dir)
    (kubernetes.dir / "kubelet-client-current.pem").write_text("no link")
    seen = node.observe()
    assert seen.kubelet["state"] == {"state": "regularFile"}
    plan = certs.renewal_plan(seen, version="1.31", now=datetime.now(UTC), items=["apiserver"], **ALL)
    assert plan.apply(node).acted == 1
    assert kubernetes.node().observe().items.keys().isdisjoint({"apiserver"})


# --- interrupted


# A test run in the background of a shell ignores Ctrl-C, and its children inherit that: they listen again.
APPLIES = """
import os, signal, sys, time
from datetime import UTC, datetime
from trimtab import certs
signal.signal(signal.SIGINT, signal.default_int_handler)
folder, item, key, die_at, hours = sys.argv[1:]
node = certs.Node(folder)
plan = certs.renewal_plan(node.observe(), version="1.31", now=datetime.now(UTC), due_within_hours=14400,
                          validity_hours=int(hours), items=None if item == "all" else [item], key=key)
said = 0
def progress(event):
    global said
    print(event, flush=True)
    if event.event == "progress":
        if str(said) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        said += 1
report = plan.apply(node, progress=progress if die_at != "silent" else None)
print(report)
"""


def program(
    made: Kubernetes, item: str, *, key: str = "new", die_at: str = "never", hours: int = 9600
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPLIES, str(made.folder), item, key, die_at, str(hours)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_at_every_word_the_node_gets_its_pair_back(kubernetes: Kubernetes) -> None:
    node = kubernetes.node()
    pair = [kubernetes.pki / "etcd" / f"server.{end}" for end in ("crt", "key")]
    seen = set()
    for die_at in range(50):
        before = [path.read_bytes() for path in pair]
        # Within a second there would be nothing to gain.
        child = program(kubernetes, "etcd-server", die_at=str(die_at), hours=9600 + die_at)
        said, _ = child.communicate(timeout=60)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL, said
        unfinished = node.observe().unfinished
        recovered = node.recover()
        assert len(recovered) == len(unfinished)
        assert_every_pair_matches(kubernetes)
        for one in recovered:
            assert (one.item, one.outcome == "takenBack") == ("etcd-server", [p.read_bytes() for p in pair] == before)
            assert str(one).startswith("etcd-server: an interrupted replacement was ")
            seen.add(one.outcome)
        assert node.recover() == []
        assert all(name.endswith(".bak") for name in kubernetes.ours())
    assert seen == {"takenBack", "finished"}
    assert die_at >= 9


def test_a_plan_goes_on_by_itself_after_it_was_killed(kubernetes: Kubernetes) -> None:
    plan = planned(kubernetes, items=["apiserver", "etcd-server"])
    child = program(kubernetes, "apiserver", die_at="7")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    node = kubernetes.node()
    assert [one["item"] for one in node.observe().unfinished] == ["apiserver"]
    held = planned(kubernetes, items=["apiserver"]).held
    assert [one.reason["reason"] for one in held if one.target == "apiserver"] == ["interrupted"]
    lines: list[str] = []
    report = plan.apply(node, progress=lambda event: lines.append(str(event)))
    assert report.is_done, str(report)
    assert any("an interrupted replacement was" in line for line in lines)
    assert_every_pair_matches(kubernetes)
    assert all(name.endswith(".bak") for name in kubernetes.ours())


@pytest.mark.parametrize(("key", "die_at"), [("new", "never"), ("RSA-4096", "silent")], ids=["callback", "silent"])
def test_ctrl_c_finishes_the_pair_that_was_begun_and_begins_no_other(
    kubernetes: Kubernetes, key: str, die_at: str
) -> None:
    before = kubernetes.contents()
    child = program(kubernetes, "all", key=key, die_at=die_at)
    try:
        if die_at == "never":
            assert child.stdout is not None
            for _ in range(4):
                assert child.stdout.readline().startswith("1. ")
        else:
            wait_for(lambda: kubernetes.ours() != [])
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    assert time.monotonic() - began < SOON_SECONDS
    node = kubernetes.node()
    assert node.observe().unfinished == []
    assert_every_pair_matches(kubernetes)
    after = kubernetes.contents()
    changed = {name for name in before if before[name] != after[name]}
    assert 0 < len(changed) < len(before) - 10, changed
    assert node.recover() == []


def wait_for(holds: Any) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_a_callback_raises_ends_the_call_once_the_pair_is_in_place(kubernetes: Kubernetes) -> None:
    class Stop(Exception):
        pass

    node, plan = kubernetes.node(), planned(kubernetes)

    def progress(event: certs.RenewalEvent) -> None:
        if event.event == "progress":
            raise Stop(str(event))

    with pytest.raises(Stop, match=r"admin\.conf"):
        plan.apply(node, progress=progress)
    assert node.observe().unfinished == []
    assert [backup.item for backup in node.backups()] == ["admin.conf"]
    report = plan.apply(node)
    assert (report.is_done, report.acted) == (True, 10)
    with pytest.raises(TypeError, match="not callable"):
        plan.apply(node, progress="print")  # type: ignore[arg-type]


def test_other_threads_run_meanwhile(kubernetes: Kubernetes) -> None:
    done, turns = threading.Event(), 0

    def turn() -> None:
        nonlocal turns
        while not done.wait(0.005):
            turns += 1

    other = threading.Thread(target=turn)
    other.start()
    try:
        renewed(kubernetes, items=["apiserver", "etcd-peer"], key="RSA-3072")
    finally:
        done.set()
        other.join()
    assert turns > 20


# --- back again, and elsewhere


def test_an_old_pair_is_put_back_and_that_is_taken_back_too(kubernetes: Kubernetes) -> None:
    node = kubernetes.node()
    old = kubernetes.contents()
    renewed(kubernetes)
    new = kubernetes.contents()
    backups = node.backups()
    assert len(backups) == 11
    lines: list[str] = []
    undone = [node.rollback(backup, progress=lambda event: lines.append(str(event))) for backup in backups]
    assert kubernetes.contents() == old
    assert lines
    assert [one.item for one in undone] == [one.item for one in backups]
    for backup in undone:
        node.rollback(certs.Backup.from_json(backup.to_json()))
    assert kubernetes.contents() == new
    assert_every_pair_matches(kubernetes)
    gone = certs.Backup.from_dict(backups[0].to_dict() | {"stamp": "20200101T000000Z"})
    with pytest.raises(InvalidInput, match="cannot be put back") as caught:
        node.rollback(gone)
    assert caught.value.error == "backupNotUsable"


def test_an_external_authority_is_asked_and_answers(kubernetes: Kubernetes, tmp_path: Path) -> None:
    ca_key = tmp_path / "ca.key"
    (kubernetes.pki / "ca.key").rename(ca_key)
    node = kubernetes.node()
    held = {one.target: one.reason["reason"] for one in planned(kubernetes).held}
    assert (held["ca"], held["apiserver"]) == ("authorityKeyElsewhere", "needsAuthority")
    assert planned(kubernetes).is_blocked

    def signed(request: str, *extra: str) -> bytes:
        answer = tmp_path / "answer.crt"
        command = ["openssl", "x509", "-req", "-days", "500", "-in", request, "-CA", str(kubernetes.pki / "ca.crt")]
        command += ["-CAkey", str(ca_key), "-CAcreateserial", "-CAserial", str(tmp_path / "serial"), *extra]
        subprocess.run([*command, "-out", str(answer)], check=True, capture_output=True)
        return answer.read_bytes()

    for item, key in (("apiserver", "new"), ("admin.conf", "kept")):
        before = kubernetes.contents()
        asked = node.request(item, folder=tmp_path, key=key)  # type: ignore[arg-type]
        assert asked.item == item
        assert (asked.key is None) == (key == "kept")
        if asked.key:
            assert Path(asked.key).stat().st_mode & 0o777 == 0o600
        with pytest.raises(FileError, match="cannot be written"):
            node.request(item, folder=tmp_path)
        with pytest.raises(InvalidInput, match="ask the CA to copy") as caught:
            node.answer(item, signed(asked.request), folder=tmp_path)
        assert caught.value.error in ("answerNames", "answerUsages")
        assert kubernetes.contents() == before
        accepted = node.answer(item, signed(asked.request, "-copy_extensions", "copyall"), folder=tmp_path)
        assert accepted["notAfter"] > (datetime.now(UTC) + timedelta(days=499)).isoformat()
        assert not Path(asked.request).exists()
        assert kubernetes.contents() != before
    openssl_verifies(kubernetes)
    assert_every_pair_matches_but_the_authority(kubernetes)
    with pytest.raises(InvalidInput):
        node.request("etcd-ca", folder=tmp_path)


def assert_every_pair_matches_but_the_authority(made: Kubernetes) -> None:
    items = made.node().observe().pki["items"]
    assert {name: item["key"] for name, item in items.items() if item["key"] != "present"} == {"ca": "absent"}


# --- what goes wrong, by its remedy


def test_every_remedy_has_its_exception(kubernetes: Kubernetes) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        certs.Node("/no/such/folder").observe()
    node = kubernetes.node()
    assert node.recover() == []
    renewed(kubernetes, items=["apiserver"])
    (backup,) = node.backups()
    with (kubernetes.folder / ".trimtab-renew.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        calls: list[Any] = [node.recover, lambda: node.rollback(backup)]
        for call in calls:
            with pytest.raises(FileInUse, match="another trimtab is at work") as caught:
                call()
            assert (caught.value.errno, caught.value.error) == (errno.EBUSY, "busy")
        # A plan never fails as a whole.
        report = planned(kubernetes, items=["etcd-peer"]).apply(node)
        assert report.steps[0].outcome["failure"]["error"] == "busy"
    (kubernetes.pki / ".trimtab-renew-apiserver.json").write_text("{")
    with pytest.raises(Interrupted, match="is no journal of a replacement"):
        node.recover()
    with pytest.raises(Interrupted):
        node.rollback(backup)


# --- what servers show


class Shop:
    """A TLS server that reads its certificate once, when it starts."""

    def __init__(self, stem: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{stem}.crt", f"{stem}.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, args=(context,))
        self.thread.start()

    def serve(self, context: ssl.SSLContext) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(1)
            except OSError:
                connection.close()

    def end(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def test_a_server_shows_the_old_one_until_it_is_restarted(kubernetes: Kubernetes) -> None:
    stem = kubernetes.pki / "apiserver"
    server = Shop(stem)
    try:
        before = first(stem.with_suffix(".crt"))
        served = certs.probe("127.0.0.1", server.port, server_name="kubernetes")
        assert served.chain == [before]
        assert served.beside(stem.with_suffix(".crt").read_bytes()).beside == "same"
        assert certs.verify_chain(served.chain[0], ca=first(kubernetes.pki / "ca.crt"), at=datetime.now(UTC)) == []
        renewed(kubernetes, items=["apiserver"])
        beside = certs.probe("127.0.0.1", server.port).beside(first(stem.with_suffix(".crt")))
        assert beside.beside == "older"
        assert str(beside).endswith("restart the server")
    finally:
        server.end()
    server = Shop(stem)
    try:
        assert certs.probe("127.0.0.1", server.port).beside(first(stem.with_suffix(".crt"))).beside == "same"
        served = certs.probe("127.0.0.1", server.port)
        assert served.beside(first(kubernetes.pki / "etcd" / "server.crt")).beside == "another"
        assert pickle.loads(pickle.dumps(served)) == served
    finally:
        server.end()


def test_an_etcd_shows_the_new_one_without_a_restart(kubernetes: Kubernetes) -> None:
    file = kubernetes.pki / "etcd" / "server.crt"
    with RealEtcd(pki=kubernetes.pki) as etcd:
        port = etcd.ports[0]
        etcd.wait_until_it_listens()
        old = first(file)
        assert certs.probe("127.0.0.1", port).beside(old).beside == "same"
        renewed(kubernetes, items=["etcd-server"])
        assert first(file) != old
        assert certs.probe("127.0.0.1", port).beside(first(file)).beside == "same"
        client = kubernetes.pki / "etcd" / "healthcheck-client"
        key = certs.PrivateKey.from_pem(client.with_suffix(".key"))
        with_client = certs.probe("127.0.0.1", port, certificate=client.with_suffix(".crt"), key=key)
        assert with_client.chain == [first(file)]


def test_whoever_shows_nothing_is_told_by_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            certs.probe("127.0.0.1", port, timeout=0.3)
        assert time.monotonic() - began < SOON_SECONDS
        assert caught.value.endpoint == f"127.0.0.1:{port}"
    with pytest.raises(Unreachable):
        certs.probe("127.0.0.1", port)
    key = certs.PrivateKey.generate("ECDSA-P256")
    with pytest.raises(InvalidInput, match="key is given without certificate"):
        certs.probe("127.0.0.1", port, key=key)
    with pytest.raises(InvalidInput, match="certificate: "):
        certs.probe("127.0.0.1", port, certificate=b"no PEM", key=key)
    with socket.create_server(("127.0.0.1", 0)) as talker:

        def answer() -> None:
            with talker.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TlsError):
            certs.probe("127.0.0.1", talker.getsockname()[1])
        thread.join()


PROBES = """
import signal, sys
from trimtab import certs
signal.signal(signal.SIGINT, signal.default_int_handler)
print("asking", flush=True)
certs.probe("127.0.0.1", int(sys.argv[1]), timeout=60)
"""


def test_ctrl_c_ends_a_probe_that_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = [sys.executable, "-c", PROBES, str(silent.getsockname()[1])]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            connection, _ = silent.accept()
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=30)
            connection.close()
        finally:
            child.kill()
            child.wait()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert time.monotonic() - began < SOON_SECONDS


# --- a control plane


def test_the_nodes_of_a_control_plane_are_renewed_one_after_the_other(kubernetes: Kubernetes) -> None:
    with Kubernetes(name="node-b", beside=kubernetes) as other:
        folders = {"node-a": kubernetes, "node-b": other}
        renewed(kubernetes, validity_hours=24 * 380)
        seen = {name: made.node().observe() for name, made in folders.items()}
        plan = certs.cluster_plan(seen, version="1.31", now=datetime.now(UTC), **ALL)
        assert [node.node for node in plan.nodes] == ["node-b", "node-a"], "the first to end is the first"
        assert plan.notices[0] == {"notice": "oneAfterTheOther", "nodes": 2, "message": plan.notices[0]["message"]}
        assert certs.ClusterPlan.from_json(plan.to_json()) == plan
        for node in plan.nodes:
            report = node.plan.apply(folders[node.node].node())
            assert report.is_done, str(report)
            waits = [wait["wait"] for wait in node.waits]
            assert waits == ["restarted"] * 2 + ["serves"] * 3 + ["etcdHealthy", "ready"]
            assert node.waits[0]["pod"] == f"kube-controller-manager-{node.node}"
            for wait in (wait for wait in node.waits if wait["wait"] == "serves"):
                assert Path(wait["file"]).is_file()
        for made in folders.values():
            openssl_verifies(made)


def test_control_planes_that_differ_are_left_alone(kubernetes: Kubernetes) -> None:
    with Kubernetes(name="node-b") as other:
        seen = {name: made.node().observe() for name, made in (("a", kubernetes), ("b", other))}
        plan = certs.cluster_plan(seen, version="1.31", now=datetime.now(UTC), **ALL)
        assert (plan.is_empty, plan.is_blocked, plan.nodes) == (True, True, [])
        assert [held["reason"] for held in plan.held] == ["authoritiesDiffer"] * 3 + ["serviceAccountKeysDiffer"]
        assert all(len(group["sha256"]) == 64 for held in plan.held for group in held["nodes"])
    with pytest.raises(InvalidInput, match="there is no node"):
        certs.cluster_plan({}, version="1.31", now=datetime.now(UTC))


# --- secrets

PLANTED = "plantedsecretplantedsecret"


def secrets_in(made: Kubernetes) -> set[str]:
    """Each line of each private key, as it stands in its file, and what kubeconfigs hold."""
    lines = set()
    for path in made.folder.rglob("*"):
        if path.is_file() and ".key" in path.name:
            lines |= {line for line in path.read_text().splitlines() if len(line) > 30 and "-----" not in line}
        elif path.is_file() and ".conf" in path.name:
            data = re.findall(r"client-key-data: (\S+)", path.read_text())
            lines |= {whole[at : at + 60] for whole in data for at in range(60, len(whole) - 60, 60)}
    return lines


def told(value: Any) -> list[str]:
    """Everything in which a value can be shown."""
    shown = [str(value), repr(value)]
    if hasattr(value, "to_dict"):
        shown.append(json.dumps(value.to_dict()))
    if hasattr(value, "to_json"):
        shown.append(value.to_json())
    if isinstance(value, BaseException):
        shown += [repr(value.args), repr(value.__cause__), repr(value.__context__)]
    for name in (name for name in dir(value) if not name.startswith("_")):
        held = getattr(value, name, None)
        if not callable(held):
            shown.append(repr(held))
    return shown


def test_no_secret_is_in_anything_that_is_said(kubernetes: Kubernetes, tmp_path: Path) -> None:
    node, said, secrets = kubernetes.node(), [], secrets_in(kubernetes)

    def does(call: Any) -> Any:
        try:
            done = call()
        except (trimtab.TrimtabError, OSError, TypeError) as error:
            done = error
        for one in done if isinstance(done, list) else [done]:
            said.extend(told(one))
        return done

    def progress(event: certs.RenewalEvent) -> None:
        said.extend(told(event))

    def all_of_it() -> None:
        does(lambda: node)
        seen = does(node.observe)
        for plan in (
            planned(kubernetes),
            certs.cluster_plan({"a": seen}, version="1.31", now=datetime.now(UTC), **ALL),
        ):
            does(lambda plan=plan: plan)
        for part in planned(kubernetes).steps + planned(kubernetes).held + planned(kubernetes).notices:
            said.extend(told(part))
        report = does(lambda: planned(kubernetes, validity_hours=24 * 500).apply(node, progress=progress))
        for step in report.steps:
            said.extend(told(step))
        does(node.recover)
        for backup in does(node.backups)[:3]:
            does(lambda backup=backup: node.rollback(backup, progress=progress))
        for name in ("apiserver", "scheduler.conf", "admin.conf", "ca"):
            does(lambda name=name: node.request(name, folder=tmp_path))
            does(lambda name=name: node.answer(name, b"no answer", folder=tmp_path, progress=progress))
            for path in tmp_path.glob("*.key"):
                secrets.update(line for line in path.read_text().splitlines() if len(line) > 30 and "-----" not in line)
        for path in [path for path in kubernetes.folder.rglob("*") if path.is_file()]:
            does(lambda path=path: certs.PrivateKey.from_pem(path))
            does(lambda path=path: certs.certificates(path))
            does(lambda path=path: node.answer("apiserver", path.read_bytes(), folder=tmp_path))
            does(lambda path=path: certs.probe("127.0.0.1", 1, certificate=path, key=path))

    all_of_it()
    secrets |= secrets_in(kubernetes)

    plant(kubernetes)
    secrets.add(PLANTED)
    all_of_it()
    # What was interrupted, too.
    (kubernetes.pki / ".trimtab-renew-etcd-peer.json").write_text(f'{{"format": "{PLANTED[:9]}{{')
    all_of_it()
    secrets |= secrets_in(kubernetes)
    assert len(secrets) > 40
    assert len(said) > 1000
    assert not [line for line in said for secret in secrets if secret in line]


def plant(made: Kubernetes) -> None:
    """Broken keys, and tokens and passwords in kubeconfigs that can be read and in others that cannot."""
    (made.pki / "apiserver.key").write_text(
        f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----\n"
    )
    (made.pki / "etcd" / "peer.key").write_text(f"-----BEGIN {PLANTED}-----\n{PLANTED}\n")
    (made.pki / "front-proxy-client.crt").write_text(
        f"-----BEGIN CERTIFICATE-----\n{PLANTED}\n-----END CERTIFICATE-----\n"
    )
    scheduler = made.folder / "scheduler.conf"
    scheduler.write_text(f"users: [{{name: a, user: {{token: {PLANTED}, client-key-data: {PLANTED}}}}}\n")
    admin = yaml.safe_load((made.folder / "admin.conf").read_text())
    admin["users"][0]["user"] |= {"token": PLANTED, "password": PLANTED, "username": "a"}
    (made.folder / "admin.conf").write_text(yaml.safe_dump(admin))
    controller = yaml.safe_load((made.folder / "controller-manager.conf").read_text())
    controller["users"][0]["user"]["client-key-data"] = PLANTED
    controller["users"][0]["user"]["exec"] = {
        "command": "a",
        "args": [PLANTED],
        "env": [{"name": "T", "value": PLANTED}],
    }
    (made.folder / "controller-manager.conf").write_text(yaml.safe_dump(controller))


def test_the_planted_secrets_can_be_found_where_they_are(kubernetes: Kubernetes) -> None:
    """What searches for them would find one."""
    plant(kubernetes)
    assert PLANTED in str(told({"a": (kubernetes.folder / "admin.conf").read_text()}))
    assert any(secret in (kubernetes.pki / "ca.key").read_text() for secret in secrets_in(kubernetes))
    assert os.access(kubernetes.pki / "ca.key", os.R_OK)
