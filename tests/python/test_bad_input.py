"""Bad input: a typed error that names the culprit and the remedy, and that the builtin catches as well."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trimtab
from pki import certificates
from trimtab import Quantity, certs, etcd, history, net, node, sched

POD: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}}
CERTIFICATES = certificates()
SECRET = "s3cret-planted"
NOW = "2026-11-23T06:00:00Z"
LEAF, KEY, CA, CA_KEY = certs.example_pair(now="2026-01-01T00:00:00Z")

Call = Callable[[], object]

TABLE: list[tuple[str, Call, type[trimtab.TrimtabError], type[Exception], str]] = [
    ("a quantity", lambda: Quantity("8GB"), trimtab.InvalidInput, ValueError, '"8GB": quantities must match'),
    ("a suffix", lambda: Quantity("8K"), trimtab.InvalidInput, ValueError, "it is one of n u m k M G T P E"),
    (
        "a version",
        lambda: trimtab.KubeVersion("latest"),
        trimtab.InvalidInput,
        ValueError,
        '"latest" is no Kubernetes version',
    ),
    (
        "an unknown release",
        lambda: node.pod_qos(POD, version="1.41"),
        trimtab.UnsupportedVersion,
        ValueError,
        "nearest known release is 1.37",
    ),
    (
        "a gate that no release has",
        lambda: node.pod_qos(POD, version="1.34", feature_gates={"Nope": True}),
        trimtab.FeatureGateError,
        ValueError,
        'a feature gate "Nope"',
    ),
    (
        "a gate that came later",
        lambda: node.pod_qos(POD, version="1.31", feature_gates="PodLevelResources=true"),
        trimtab.FeatureGateError,
        ValueError,
        "it came with 1.32",
    ),
    (
        "a gate that is locked",
        lambda: node.pod_qos(POD, version="1.34", feature_gates={"SidecarContainers": False}),
        trimtab.FeatureGateError,
        ValueError,
        "locked to true",
    ),
    (
        "gates that are no booleans",
        lambda: node.pod_qos(POD, version="1.34", feature_gates={"PodLevelResources": "yes"}),  # type: ignore[dict-item]
        trimtab.InvalidInput,
        ValueError,
        "feature_gates cannot be read: PodLevelResources: invalid type",
    ),
    (
        "a form",
        lambda: node.pod_qos(POD, version="1.34", form="new"),
        trimtab.InvalidInput,
        ValueError,
        "`written` or `stored`",
    ),  # type: ignore[arg-type]
    (
        "a container",
        lambda: node.oom_score_adj(POD, "ap", memory_capacity="1Gi", version="1.34"),
        trimtab.InvalidInput,
        ValueError,
        'pod web has no container "ap"; it has app',
    ),
    (
        "a node without memory",
        lambda: node.oom_burstable("1Gi", memory_capacity=0, version="1.34"),
        trimtab.InvalidInput,
        ValueError,
        "give the node's MemTotal",
    ),
    (
        "memory beyond 64 bits",
        lambda: node.oom_burstable(2**64, memory_capacity="1Gi", version="1.34"),
        trimtab.InvalidInput,
        ValueError,
        "does not fit bytes in 64 bits",
    ),
    (
        "a score that no process has",
        lambda: node.Candidate("web", oom_score_adj=1041, memory=1),
        trimtab.InvalidInput,
        ValueError,
        "outside of -1000 to 1000",
    ),
    (
        "memory below zero",
        lambda: node.OomDomain.node(-1),
        trimtab.InvalidInput,
        ValueError,
        "memory is -1, it lies from 0 on",
    ),
    (
        "a domain without a page",
        lambda: node.OomDomain.cgroup(4095),
        trimtab.InvalidInput,
        ValueError,
        "smaller than one page",
    ),
    (
        "no pages",
        lambda: node.oom_score(0, total_pages=0, kernel=(6, 12)),
        trimtab.InvalidInput,
        ValueError,
        "total_pages is 0",
    ),
    (
        "an index before 1.17",
        lambda: sched.next_start_node_index(0, processed=1, num_all_nodes=5, version="1.16"),
        trimtab.InvalidInput,
        ValueError,
        "ask with the rules of 1.17 or later",
    ),
    ("no ratio", lambda: net.LinearParams(), trimtab.InvalidInput, ValueError, "set one of them"),
    (
        "an endpoint",
        lambda: etcd.Etcd("ftp://10.0.0.1"),
        trimtab.InvalidInput,
        ValueError,
        '"ftp://10.0.0.1" is no etcd endpoint',
    ),
    ("no endpoint", lambda: etcd.Etcd([]), trimtab.InvalidInput, ValueError, "none was given"),
    (
        "a CA",
        lambda: etcd.Etcd("https://a", ca=b"no PEM"),
        trimtab.InvalidInput,
        ValueError,
        "the CA certificate cannot be used",
    ),
    (
        "a certificate without its key",
        lambda: etcd.Etcd("https://a", cert=CERTIFICATES / "expired.crt"),
        trimtab.InvalidInput,
        ValueError,
        "cert is given without key",
    ),
    (
        "a user without password",
        lambda: etcd.Etcd("a", user="root"),
        trimtab.InvalidInput,
        ValueError,
        "user is given without password",
    ),
    (
        "a client certificate that has expired",
        lambda: etcd.Etcd("https://a", cert=CERTIFICATES / "expired.crt", key=CERTIFICATES / "expired.key"),
        trimtab.TlsError,
        ConnectionError,
        'the client certificate "CN=expired-client" is valid from',
    ),
    (
        "a deadline below zero",
        lambda: etcd.Etcd("a", call_deadline=-1),
        trimtab.InvalidInput,
        ValueError,
        "call_deadline is -1",
    ),
    (
        "a share of the quota",
        lambda: etcd.rescue_plan(etcd.example_healthy(), max_percent=300),
        trimtab.InvalidInput,
        ValueError,
        "max_percent is 300, it lies from 1 to 99",
    ),
    (
        "a revision that is not there yet",
        lambda: etcd.rescue_plan(etcd.example_healthy(), compact_to=5000),
        trimtab.InvalidInput,
        ValueError,
        "revision 5000 is above the newest one, 1000",
    ),
    (
        "a policy",
        lambda: etcd.rescue_plan(etcd.example_healthy(), compact_to="all"),  # type: ignore[arg-type]
        trimtab.InvalidInput,
        ValueError,
        "compact_to cannot be read: .: unknown variant `all`",
    ),
    (
        "a saved plan",
        lambda: etcd.Plan.from_json('{"subject": 5}'),
        trimtab.InvalidInput,
        ValueError,
        "the Plan cannot be read",
    ),
    (
        "a plan with an unknown step",
        lambda: etcd.Plan.from_dict(
            {"subject": "s", "notices": [], "held": [], "steps": [{"target": "t", "action": {"action": "x"}}]}
        ),
        trimtab.InvalidInput,
        ValueError,
        "steps[0].action",
    ),
    (
        "what is no certificate",
        lambda: certs.Certificate(b"0\x00"),
        trimtab.InvalidInput,
        ValueError,
        "no X.509 certificate",
    ),
    (
        "a file without a key",
        lambda: certs.PrivateKey.from_pem(b"no PEM"),
        trimtab.InvalidInput,
        ValueError,
        "no private key in it: give a file with",
    ),
    (
        "an algorithm that no certificate of Kubernetes has",
        lambda: certs.PrivateKey.generate("DSA"),  # type: ignore[arg-type]
        trimtab.InvalidInput,
        ValueError,
        "a private key of DSA: Kubernetes and this crate take",
    ),
    (
        "a key that is too long to be made",
        lambda: certs.PrivateKey.generate("RSA-16384"),  # type: ignore[arg-type]
        trimtab.InvalidInput,
        ValueError,
        "no new key of RSA-16384 can be made",
    ),
    (
        "another CA's key",
        lambda: certs.renew(LEAF, ca=CA, ca_key=KEY, now=NOW),
        trimtab.InvalidInput,
        ValueError,
        "the CA's key does not belong to the CA's certificate",
    ),
    (
        "a CA that is none",
        lambda: certs.renew(LEAF, ca=LEAF, ca_key=KEY, now=NOW),
        trimtab.InvalidInput,
        ValueError,
        "give the issuer's ca.crt",
    ),
    (
        "a CA in place of a certificate",
        lambda: certs.renew(CA, ca=CA, ca_key=CA_KEY, now=NOW),
        trimtab.InvalidInput,
        ValueError,
        "Manual Rotation of CA Certificates",
    ),
    (
        "a CA that has expired",
        lambda: certs.renew(LEAF, ca=CA, ca_key=CA_KEY, now="2040-01-01T00:00:00Z"),
        trimtab.InvalidInput,
        ValueError,
        "the CA expired at 2035-12-30T00:00:00Z",
    ),
    (
        "a validity of nothing",
        lambda: certs.renew(LEAF, ca=CA, ca_key=CA_KEY, now=NOW, validity_hours=0),
        trimtab.InvalidInput,
        ValueError,
        "the first must be a second or more",
    ),
    (
        "a key to keep that is another one's",
        lambda: certs.renew(LEAF, ca=CA, ca_key=CA_KEY, now=NOW, keep_key=CA_KEY),
        trimtab.InvalidInput,
        ValueError,
        "give its own key, or ask for a new one",
    ),
    (
        "a request that is none",
        lambda: certs.accept(b"0", LEAF, ca=CA, now=NOW),
        trimtab.InvalidInput,
        ValueError,
        "give the one that was sent to the CA",
    ),
    (
        "a name that is none of kubeadm's",
        lambda: certs.kubeadm_spec("kubelet.crt", version="1.37"),
        trimtab.InvalidInput,
        ValueError,
        '"kubelet.crt" is no certificate of kubeadm: ca, apiserver',
    ),
    (
        "a command that kubeadm does not have",
        lambda: certs.kubeadm_command(["certs", "renew", "ca"], version="1.37"),
        trimtab.InvalidInput,
        ValueError,
        "unknown command: ca",
    ),
    (
        "a configuration that kubeadm refuses",
        lambda: certs.kubeadm_config_load({"advertiseAddress": "here"}, version="1.37"),
        trimtab.InvalidInput,
        ValueError,
        "give an IPv4 or IPv6 address",
    ),
    (
        "a document with a value of another type",
        lambda: certs.kubeadm_config({}, {"apiServer": {"certSANs": "a"}}),
        trimtab.InvalidInput,
        ValueError,
        "give a value of the type that the API has",
    ),
    (
        "a network that is none",
        lambda: certs.kubeadm_alt_names(
            "apiserver", config={"advertiseAddress": "192.0.2.10", "serviceSubnet": "10.0.0.1"}, version="1.37"
        ),
        trimtab.InvalidInput,
        ValueError,
        "write it as 10.96.0.0/12",
    ),
    (
        "a PKI of another shape",
        lambda: certs.kubeadm_check_expiration({"items": {"ca": 5}}, version="1.37", now=NOW),
        trimtab.InvalidInput,
        ValueError,
        "the PKI cannot be read: items.ca: ",
    ),
    (
        "an endpoint where nobody listens",
        lambda: etcd.Etcd("127.0.0.1:1").observe(),
        trimtab.Unreachable,
        ConnectionError,
        "cannot be reached",
    ),
    (
        "lanes beyond all use",
        lambda: history.Cluster(lanes=10**12),
        trimtab.InvalidInput,
        ValueError,
        "lanes is 1000000000000, it lies above 64",
    ),
    (
        "lanes below none",
        lambda: history.Cluster(lanes=-1),
        trimtab.InvalidInput,
        ValueError,
        "lanes is -1, it lies below 1",
    ),
    (
        "no failure allowed",
        lambda: history.Cluster(most_failures=0),
        trimtab.InvalidInput,
        ValueError,
        "most_failures is 0, it lies below 1",
    ),
    (
        "a rate of nothing",
        lambda: history.Cluster(deletes_per_second=0.0),
        trimtab.InvalidInput,
        ValueError,
        "deletes_per_second is 0, it lies outside",
    ),
    (
        "a rate without end",
        lambda: history.Cluster(deletes_per_second=float("inf")),
        trimtab.InvalidInput,
        ValueError,
        "deletes_per_second is inf, it lies outside",
    ),
    (
        "a rate that is no number",
        lambda: history.Cluster(deletes_per_second=float("nan")),
        trimtab.InvalidInput,
        ValueError,
        "deletes_per_second is NaN, it lies outside",
    ),
]


@pytest.mark.parametrize(("call", "kind", "builtin", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_input_is_a_typed_error_that_says_what_to_do(
    call: Call, kind: type[trimtab.TrimtabError], builtin: type[Exception], said: str
) -> None:
    with pytest.raises(trimtab.TrimtabError) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert said in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.to_dict()) == (kind, str(error), error.to_dict())
    assert error.error


def test_a_file_that_is_missing_is_python_s_own_error() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        etcd.Etcd("https://a", ca=Path("/nowhere.crt"))


def test_a_text_is_neither_a_path_nor_pem_and_is_not_repeated() -> None:
    with pytest.raises(TypeError, match="give PEM as bytes") as caught:
        etcd.Etcd("https://a", ca=SECRET)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def test_no_password_and_no_key_is_shown() -> None:
    cluster = etcd.Etcd("127.0.0.1:1", user="root", password=SECRET)
    with pytest.raises(trimtab.Unreachable) as caught:
        cluster.observe()
    shown = [repr(cluster), str(cluster), repr(caught.value), str(caught.value), str(caught.value.to_dict())]
    assert not [text for text in shown if SECRET in text]
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(cluster)


def test_what_several_endpoints_said_is_all_there_where_it_differs() -> None:
    with pytest.raises(trimtab.Unreachable) as caught:
        etcd.Etcd(["127.0.0.1:1", "127.0.0.1:2"]).observe()
    assert caught.value.endpoint == "http://127.0.0.1:1"  # the first of several that failed alike
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(trimtab.Unreachable) as caught:
            etcd.Etcd(["127.0.0.1:1", f"127.0.0.1:{port}"], call_deadline=0.2).observe()
    troubles = caught.value.to_dict()["troubles"]
    assert [trouble["error"] for trouble in troubles] == ["unreachable", "deadline"]
    assert caught.value.endpoint is None


def test_every_error_can_be_caught_by_the_base_and_by_its_builtin() -> None:
    builtins = {
        trimtab.InvalidInput: ValueError,
        trimtab.UnsupportedVersion: ValueError,
        trimtab.FeatureGateError: ValueError,
        trimtab.Unreachable: ConnectionError,
        trimtab.DeadlineExceeded: TimeoutError,
        trimtab.TlsError: ConnectionError,
        trimtab.AccessDenied: PermissionError,
        trimtab.NoSpace: OSError,
        trimtab.ClusterError: RuntimeError,
        trimtab.BrokenFile: ValueError,
        trimtab.FileInUse: OSError,
        trimtab.FileError: OSError,
        trimtab.Interrupted: RuntimeError,
        trimtab.AlreadyExists: FileExistsError,
        trimtab.NotFound: FileNotFoundError,
        trimtab.StorageFull: OSError,
    }
    for kind, builtin in builtins.items():
        error = kind("what to do", {"error": "kind", "endpoint": "http://a:2379"})
        assert isinstance(error, trimtab.TrimtabError)
        assert isinstance(error, builtin)
        assert str(error) == "what to do"
        assert pickle.loads(pickle.dumps(error)).to_dict() == {"error": "kind", "endpoint": "http://a:2379"}
    assert set(builtins) | {trimtab.TrimtabError} == {
        getattr(trimtab.exceptions, name) for name in trimtab.exceptions.__all__
    }
