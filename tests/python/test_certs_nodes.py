"""`trimtab.certs`, findings that take more than one file: of nodes, between them, of kubelets, copies and servers."""

from __future__ import annotations

import base64
import datetime
import json
import pickle
import ssl
import time
from typing import Any

import pytest
import trimtab
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, certs
from turns import others_run_while

MADE = "2026-01-01T00:00:00Z"
NOW = "2026-06-01T00:00:00Z"
PKI = "/etc/kubernetes/pki"
CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
SECRET = "s3cret-planted"

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Authority:
    """An authority with its key; what it signs has the dates that are asked for."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self.builder(self.name, self.key, 2036)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, year: int) -> x509.CertificateBuilder:
        begin, end = (datetime.datetime(at, 1, 1, tzinfo=datetime.UTC) for at in (2026, year))
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        if name == self.name:
            return builder.add_extension(own, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        return builder.add_extension(issuer, critical=False)

    def leaf(self, name: str, *uses: x509.ObjectIdentifier, names: list[str] | None = None, year: int = 2027) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self.builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, year)
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([general(one) for one in names]), critical=False
            )
        return Pair(builder.sign(self.key, hashes.SHA256()), key)

    @property
    def pair(self) -> Pair:
        return Pair(self.certificate, self.key)


class Pair:
    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        self.key = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = key.public_key().public_bytes(serialization.Encoding.PEM, public)


def general(name: str) -> x509.GeneralName:
    import ipaddress

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


CAS = {name: Authority(name) for name in ("kubernetes", "etcd-ca", "front-proxy-ca")}
SA = Authority("sa").pair
NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]


def kubeconfig(
    pair: Pair | None, ca: Authority, *, server: str = "https://192.0.2.10:6443", token: str = SECRET
) -> bytes:
    packed = {"ca": ca.pair.certificate} | ({"c": pair.certificate, "k": pair.key} if pair else {})
    data = {name: base64.b64encode(value).decode() for name, value in packed.items()}
    user = (
        {"client-certificate-data": data["c"], "client-key-data": data["k"], "token": token}
        if pair
        else {"client-certificate": CURRENT, "client-key": CURRENT}
    )
    config = {
        "kind": "Config",
        "current-context": "a@k",
        "clusters": [{"name": "k", "cluster": {"server": server, "certificate-authority-data": data["ca"]}}],
        "contexts": [{"name": "a@k", "context": {"cluster": "k", "user": "a"}}],
        "users": [{"name": "a", "user": user}],
    }
    return json.dumps(config).encode()


def node(name: str = "node-a", *, ca: Authority | None = None, year: int = 2027) -> dict[str, bytes]:
    """The files of a control-plane node, as kubeadm makes them."""
    ca = ca or CAS["kubernetes"]
    etcd, proxy = CAS["etcd-ca"], CAS["front-proxy-ca"]
    machine = [name, "localhost", "192.0.2.10", "127.0.0.1", "::1"]
    pairs = {
        "ca": ca.pair,
        "etcd/ca": etcd.pair,
        "front-proxy-ca": proxy.pair,
        "apiserver": ca.leaf("kube-apiserver", SERVER, names=[name, *NAMES, "10.96.0.1", "192.0.2.10"], year=year),
        "apiserver-kubelet-client": ca.leaf("kube-apiserver-kubelet-client", CLIENT),
        "front-proxy-client": proxy.leaf("front-proxy-client", CLIENT),
        "etcd/server": etcd.leaf(name, SERVER, CLIENT, names=machine),
        "etcd/peer": etcd.leaf(name, SERVER, CLIENT, names=machine),
        "etcd/healthcheck-client": etcd.leaf("kube-etcd-healthcheck-client", CLIENT),
        "apiserver-etcd-client": etcd.leaf("kube-apiserver-etcd-client", CLIENT),
    }
    files = {f"{PKI}/sa.key": SA.key, f"{PKI}/sa.pub": SA.public}
    for path, pair in pairs.items():
        files |= {f"{PKI}/{path}.crt": pair.certificate, f"{PKI}/{path}.key": pair.key}
    for conf, user in (("admin", "kubernetes-admin"), ("controller-manager", "kcm"), ("scheduler", "scheduler")):
        files[f"/etc/kubernetes/{conf}.conf"] = kubeconfig(ca.leaf(user, CLIENT), ca)
    own = ca.leaf(f"system:node:{name}", CLIENT)
    return files | {"/etc/kubernetes/kubelet.conf": kubeconfig(None, ca), CURRENT: own.certificate + own.key}


NODE = node()
CONFIG = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}


def of(files: dict[str, bytes], **more: Any) -> list[certs.Finding]:
    return certs.node_findings(files, version="1.31", now=NOW, **({"config": CONFIG} | more))


def kinds(found: list[certs.Finding]) -> list[str]:
    return sorted(f"{one.finding} {one.source.rsplit('/', 1)[-1]}" for one in found)


# --- nodes


def test_a_whole_node_has_no_findings_from_bytes_and_from_what_was_seen() -> None:
    assert of(NODE) == []
    assert of(NODE, config=None) == []
    seen = certs.node_seen(NODE)
    assert len(seen.items) == 15
    assert of(seen) == []
    assert of(json.loads(seen.to_json())) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({f"{PKI}/sa.pub": CAS["kubernetes"].pair.public}, ["saPairDiffers sa.pub"]),
        ({f"{PKI}/ca.key": None}, ["authorityKeyElsewhere ca.crt"]),
        ({f"{PKI}/apiserver.key": CAS["kubernetes"].pair.key}, ["keyDiffers apiserver.crt"]),
        ({f"{PKI}/etcd/peer.key": None}, ["keyMissing peer.crt"]),
        (
            {CURRENT: b"no certificate"},
            ["currentUnreadable kubelet-client-current.pem", "unreadable kubelet-client-current.pem"],
        ),
    ],
    ids=["another sa.pub", "no ca.key", "another key", "no key", "no link"],
)
def test_each_damage_is_told_exactly(change: dict[str, bytes | None], expected: list[str]) -> None:
    files = {path: contents for path, contents in (NODE | change).items() if contents is not None}
    assert kinds(of(files)) == expected


def test_names_and_uses_that_are_missing_come_with_who_asks_and_what_to_run() -> None:
    ca = CAS["kubernetes"]
    wrong = ca.leaf("kube-apiserver", CLIENT, names=["kubernetes"])
    files = NODE | {f"{PKI}/apiserver.crt": wrong.certificate, f"{PKI}/apiserver.key": wrong.key}
    found = {one.finding: one for one in of(files, config=CONFIG | {"controlPlaneEndpoint": "lb.example.test:6443"})}
    assert found.keys() == {"usagesMissing", "namesMissing"}
    assert found["usagesMissing"].details["missing"] == ["serverAuth"]
    names = {one["name"]: one["because"] for one in found["namesMissing"].details["missing"]}
    assert names["IP:10.96.0.1"] == "serviceAddress"
    assert names["DNS:lb.example.test"] == "controlPlaneEndpoint"
    assert names["IP:192.0.2.10"] == "advertiseAddress"
    assert names["DNS:kubernetes.default"] == "serviceName"
    assert "`kubeadm init phase certs apiserver --config FILE`" in found["namesMissing"].message
    assert (found["namesMissing"].node, found["namesMissing"].severity) == ("node-a", "error")


def test_without_a_configuration_the_server_of_a_kubeconfig_is_asked_for() -> None:
    moved = kubeconfig(
        CAS["kubernetes"].leaf("kubernetes-admin", CLIENT), CAS["kubernetes"], server="https://lb.example.test:6443"
    )
    found = of(NODE | {"/etc/kubernetes/admin.conf": moved}, config=None)
    assert [one.details["missing"] for one in found] == [
        [{"name": "DNS:lb.example.test", "because": "kubeconfig", "item": "admin.conf"}]
    ]


def test_a_kubelet_conf_with_its_own_certificate_falls_behind() -> None:
    ca = CAS["kubernetes"]
    first = ca.leaf("system:node:node-a", CLIENT)
    files = NODE | {"/etc/kubernetes/kubelet.conf": kubeconfig(first, ca)}
    [found] = of(files)
    assert (found.finding, found.severity, found.details["current"]) == (
        "kubeletConfEmbedded",
        "warning",
        {"current": "other", "currentNotAfter": "2027-01-01T00:00:00Z"},
    )
    seen = certs.node_seen(files).to_dict()
    for state, kind in (
        ({"state": "regularFile"}, "currentIsFile"),
        ({"state": "dangling", "target": "x"}, "currentDangles"),
    ):
        seen["kubelet"]["state"] = state
        assert [one.finding for one in of(seen)] == [kind]


def test_dates_are_told_by_days() -> None:
    near = node()
    late = certs.node_findings(near, version="1.31", now="2026-12-20T00:00:00Z", config=CONFIG)
    assert {one.finding for one in late} == {"expiring", "rotationLate"}
    assert {one.details["remainingDays"] for one in late if one.finding == "expiring"} == {12}
    sooner = certs.node_findings(
        near, version="1.31", now="2026-12-20T00:00:00Z", config=CONFIG, expiring_within_days=5
    )
    assert [one.finding for one in sooner] == ["rotationLate"]
    far = certs.node_findings(
        near, version="1.31", now=NOW, authority_expiring_within_days=36_500, expiring_within_days=-(2**63)
    )
    # Each authority in its file, and one in each of four kubeconfigs.
    assert [one.finding for one in far] == ["authorityExpiring"] * (3 + 4)


# --- clusters


def test_nodes_that_differ_are_named_and_the_odd_one_only_where_a_majority_is() -> None:
    other = node("node-c", ca=Authority("kubernetes"))
    nodes = {"node-a": NODE, "node-b": node("node-b"), "node-c": other}
    [found] = certs.cluster_findings(nodes, version="1.31", now=NOW, config=CONFIG)
    assert (found.finding, found.node, found.source, found.severity) == (
        "nodesDiffer",
        "node-c",
        f"{PKI}/ca.crt",
        "error",
    )
    assert found.details["odd"] == ["node-c"]
    assert [group["nodes"] for group in found.details["groups"]] == [["node-a", "node-b"], ["node-c"]]
    [found] = certs.cluster_findings({"a": NODE, "c": other}, version="1.31", now=NOW)
    assert (found.node, found.details["odd"]) == (None, [])
    assert "No majority tells which one is right" in str(found)


def test_what_was_seen_elsewhere_and_files_are_compared_alike() -> None:
    without = {path: contents for path, contents in node("node-b").items() if path != f"{PKI}/ca.key"}
    nodes = {"node-a": certs.node_seen(NODE), "node-b": without}
    [found] = certs.cluster_findings(nodes, version="1.31", now=NOW, config=CONFIG)
    assert found.finding == "keyOnSome"
    assert (found.details["with"], found.details["without"]) == (["node-a"], ["node-b"])


def test_workers_are_judged_under_the_clusters_authorities() -> None:
    ca, stranger = CAS["kubernetes"], Authority("kubernetes")
    good, dead, stray = (
        ca.leaf("system:node:w1", CLIENT),
        ca.leaf("system:node:w2", CLIENT, year=2026),
        stranger.leaf("w3", CLIENT),
    )
    workers = {
        name: {CURRENT: pair.certificate + pair.key} for name, pair in (("w1", good), ("w2", dead), ("w3", stray))
    }
    found = certs.cluster_findings({"node-a": NODE} | workers, version="1.31", now=NOW, config=CONFIG)
    assert [(one.node, one.finding) for one in found] == [("w2", "expired"), ("w3", "signedByAnother")]


def test_five_hundred_nodes_are_one_call_within_seconds() -> None:
    ca = CAS["kubernetes"]
    workers = [ca.leaf(f"system:node:w{at}", CLIENT) for at in range(20)]
    nodes: dict[str, Any] = {f"c{at}": node(f"c{at}") for at in range(3)}
    for at in range(497):
        pair = workers[at % 20]
        nodes[f"w{at:03}"] = {f"{PKI}/ca.crt": ca.pair.certificate, CURRENT: pair.certificate + pair.key}
    begun = time.monotonic()
    found = certs.cluster_findings(nodes, version="1.31", now=NOW, config=CONFIG)
    assert time.monotonic() - begun < 5
    assert found == []
    text = certs.findings_textfile(found, now=NOW, nodes=nodes)
    # Of a control plane ten files, two in each of three kubeconfigs, one in that of the kubelet, and the kubelet's own.
    assert text.count("x509_cert_expired{node=") == 497 * 2 + 3 * (10 + 2 * 3 + 1 + 1)


# --- kubelets


def test_rotation_that_is_off_is_told_with_the_end_of_what_is_there() -> None:
    found = certs.kubelet_findings(b"rotateCertificates: false\nserverTLSBootstrap: true\n", node=NODE)
    assert [(one.finding, one.details["notAfter"]) for one in found] == [("rotationOff", "2027-01-01T00:00:00Z")]
    assert certs.kubelet_findings(json.dumps({"rotateCertificates": True, "serverTLSBootstrap": True}).encode()) == []
    [broken] = certs.kubelet_findings(b"rotateCertificates: [\n")
    assert (broken.finding, broken.severity) == ("configurationUnreadable", "error")


def test_requests_are_told_by_their_state_from_bytes_and_from_objects() -> None:
    spec = {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:w1"}
    made = "2026-05-31T21:00:00Z"

    def csr(name: str, status: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": made}, "spec": spec, "status": status}

    for status, kind in (
        ({}, "requestPending"),
        ({"conditions": [{"type": "Denied", "reason": "no"}]}, "requestDenied"),
        ({"conditions": [{"type": "Approved"}, {"type": "Failed"}]}, "requestFailed"),
        ({"conditions": [{"type": "Approved"}]}, "requestNotIssued"),
    ):
        dump = {"items": [csr("csr-1", status)]}
        [found] = certs.signing_request_findings(dump, now=NOW)
        assert (found.finding, found.node, found.details["ageSeconds"]) == (kind, "w1", 3 * 3600)
        assert certs.signing_request_findings(json.dumps(dump).encode(), now=NOW) == [found]
    issued = {"items": [csr("csr-1", {"certificate": "LS0t"})]}
    assert certs.signing_request_findings(issued, now=NOW) == []
    assert certs.signing_request_findings({"items": [csr("a", {})]}, now=NOW, pending_for_seconds=10_800) == []
    [broken] = certs.signing_request_findings(b"NAME  AGE", now=NOW)
    assert broken.finding == "unread"


# --- copies, servers


def test_copies_that_stayed_behind_are_told_and_other_clusters_are_not() -> None:
    ca, other = CAS["kubernetes"], Authority("kubernetes")
    original = kubeconfig(ca.leaf("kubernetes-admin", CLIENT, year=2028), ca)
    copies = {
        "same": original,
        "old": kubeconfig(ca.leaf("kubernetes-admin", CLIENT, year=2027), ca),
        "dead": kubeconfig(ca.leaf("kubernetes-admin", CLIENT, year=2026), ca),
        "mixed": kubeconfig(ca.leaf("somebody", CLIENT), other),
        "elsewhere": kubeconfig(other.leaf("kubernetes-admin", CLIENT, year=2026), other, server="https://203.0.113.1"),
    }
    found = certs.copy_findings(original, copies, now=NOW)
    assert [(one.source, one.finding) for one in found] == [
        ("dead", "expiredCopy"),
        ("mixed", "copyTrustsAnother"),
        ("old", "olderCopy"),
    ]
    assert (found[2].details["notAfter"], found[2].details["originalNotAfter"]) == (
        "2027-01-01T00:00:00Z",
        "2028-01-01T00:00:00Z",
    )
    with pytest.raises(InvalidInput, match="no kubeconfig") as caught:
        certs.copy_findings(b"users: [", {}, now=NOW)
    assert caught.value.error == "noKubeconfig"


def test_a_server_that_shows_another_certificate_is_told_with_what_to_restart() -> None:
    old, _, ca, ca_key = certs.example_pair(now=MADE)
    new = certs.renew(old, ca=ca, ca_key=ca_key, now=NOW)
    where: dict[str, Any] = {
        "path": f"{PKI}/apiserver.crt",
        "endpoint": "127.0.0.1:6443",
        "version": "1.31",
        "now": NOW,
    }
    assert certs.served_finding([new.certificate, ca], file=new.certificate_pem, **where) is None
    found = certs.served_finding([old], file=new.certificate, item="apiserver", **where)
    assert found is not None
    assert (found.finding, found.entry, found.severity) == ("servedDiffers", "shown at 127.0.0.1:6443", "warning")
    assert found.details["user"]["manifest"] == "/etc/kubernetes/manifests/kube-apiserver.yaml"
    nothing = certs.served_finding([], file=new.certificate, **where)
    assert nothing is not None
    assert (nothing.severity, nothing.details["beside"], nothing.details["user"]) == ("error", "nothing", None)
    with pytest.raises(InvalidInput):
        certs.served_finding([b"x"], file=old, **where)


# --- the class, bad input, secrets, threads


def every() -> list[certs.Finding]:
    other = node("node-c", ca=Authority("kubernetes"))
    return [
        *certs.cluster_findings({"a": NODE, "b": NODE, "c": other}, version="1.31", now=NOW),
        *of({path: contents for path, contents in NODE.items() if path != f"{PKI}/ca.key"}),
        *certs.kubelet_findings(b""),
        *certs.file_findings({"a.crt": b"broken"}, now=NOW),
    ]


def test_a_finding_is_equal_by_value_pickled_and_plain_data() -> None:
    found = every()
    assert len(found) >= 5
    for one in found:
        again = certs.Finding.from_dict(json.loads(json.dumps(one.to_dict())))
        assert (again, hash(again), str(again), repr(again)) == (one, hash(one), str(one), repr(one))
        assert pickle.loads(pickle.dumps(one)) == one
        assert str(one).startswith(f"{one.severity}: ")
        assert one.message in str(one)
        assert one.details["finding"] == one.finding
    assert len(set(found)) == len(found)


def test_findings_are_a_textfile() -> None:
    text = certs.findings_textfile(every(), now=NOW, files={"ca.crt": CAS["etcd-ca"].pair.certificate})
    assert 'x509_cert_not_after{source="ca.crt"' in text
    assert 'trimtab_certs_findings{severity="notice"} ' in text


@pytest.mark.parametrize(
    "call",
    [
        lambda: certs.node_findings({"a": 5}, version="1.31", now=NOW),
        lambda: certs.node_findings({"folder": "x"}, version="1.31", now=NOW),
        lambda: certs.cluster_findings({"a": {"pki": {}}}, version="1.31", now=NOW),
        lambda: of(NODE, config={"bindPort": "x"}),
    ],
    ids=["a number", "too little", "no node", "a configuration"],
)
def test_what_is_no_node_is_a_typed_error(call: Any) -> None:
    with pytest.raises(InvalidInput):
        call()


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(trimtab.UnsupportedVersion):
        certs.node_findings(NODE, version="1.99", now=NOW)


@given(st.dictionaries(st.sampled_from(sorted(NODE)), st.binary(), max_size=6))
def test_any_bytes_in_place_of_a_nodes_files_are_judged(change: dict[str, bytes]) -> None:
    for one in certs.cluster_findings({"a": NODE | change, "b": change}, version="1.31", now=NOW):
        assert str(one)


@given(st.binary())
def test_any_bytes_in_place_of_a_configuration_or_a_dump_are_judged(contents: bytes) -> None:
    assert isinstance(certs.kubelet_findings(contents), list)
    assert isinstance(certs.signing_request_findings(contents, now=NOW), list)


def test_no_key_and_no_token_stands_in_any_answer() -> None:
    lines = [line for line in SA.key.decode().splitlines() if not line.startswith("-----")]
    key = base64.b64encode(NODE[f"{PKI}/apiserver.key"]).decode()
    broken = NODE | {
        f"{PKI}/apiserver.key": NODE[f"{PKI}/sa.key"].replace(b"-----END", SECRET.encode() + b"\n-----END"),
        "/etc/kubernetes/scheduler.conf": NODE["/etc/kubernetes/scheduler.conf"] + SECRET.encode(),
        "/etc/kubernetes/admin.conf": b"users: [" + SECRET.encode(),
        f"{PKI}/front-proxy-client.crt": SA.key,
    }
    found = of(broken) + certs.copy_findings(NODE["/etc/kubernetes/admin.conf"], broken, now=NOW)
    assert len(found) > 4
    told = [str(one) + repr(one) + str(one.to_dict()) for one in found] + [certs.node_seen(broken).to_json()]
    assert not [text for text in told for secret in (SECRET, key, *lines) if secret in text]


def test_other_threads_run_while() -> None:
    long = {
        f"{at}.crt": ssl.DER_cert_to_PEM_cert(certs.example_pair(now=MADE)[0].der).encode() * 500 for at in range(4)
    }
    assert others_run_while(lambda: certs.file_findings(long, now=NOW))
    assert others_run_while(lambda: certs.cluster_findings({"a": long}, version="1.31", now=NOW))
    assert others_run_while(lambda: certs.node_seen({f"{PKI}/ca.crt": long["0.crt"] * 4}))
