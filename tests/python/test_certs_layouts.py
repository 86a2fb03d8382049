"""Layouts of other distributions, and PKCS#12, through Python: files made by `cryptography`."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from trimtab import InvalidInput, certs

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issued(entry: dict[str, Any], issuer: Pair | None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in entry["organizations"] or []]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name(entry["commonName"]))])
    builder = x509.CertificateBuilder(
        issuer_name=issuer[0].subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=BEGIN,
        not_valid_after=BEGIN + datetime.timedelta(days=365),
    ).add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if entry["extKeyUsage"]:
        usages = [USAGES[usage] for usage in entry["extKeyUsage"]]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def common_name(expected: dict[str, Any]) -> str:
    match expected:
        case {"names": [name, *_]}:
            return str(name)
        case {"expected": "dated", "prefix": prefix}:
            return f"{prefix}1749726675"
        case {"expected": "ofNode", "prefix": prefix}:
            return f"{prefix}node-1"
    return "192.0.2.1"


def node(distribution: Any, data_dir: str | None = None) -> dict[str, bytes]:
    """Every file of a layout, by its path."""
    layout = certs.layout(distribution, version="1.33.1")
    folder = data_dir or layout["dataDir"]
    made: dict[str, Pair] = {}
    files = {}
    for entry in layout["entries"]:
        path = f"{folder}/{entry['path']}" if entry["base"] == "dataDir" else entry["path"]
        match entry["kind"]:
            case "certificate" | "kubeconfig":
                made[entry["name"]] = made.get(entry["copyOf"]) or issued(entry, made.get(entry["authority"]))
                pem = made[entry["name"]][0].public_bytes(serialization.Encoding.PEM)
                files[path] = pem if entry["kind"] == "certificate" else kubeconfig(pem)
            case "kubeconfigByReference":
                files[path] = b"kind: Config\nusers:\n- {name: user, user: {client-certificate: a.crt}}\n"
    return files


def kubeconfig(pem: bytes) -> bytes:
    data = base64.b64encode(pem).decode()
    return f"kind: Config\nusers:\n- {{name: user, user: {{client-certificate-data: {data}}}}}\n".encode()


@pytest.mark.parametrize("distribution", ["kubeadm", "k3s", "rke2", "k0s"])
def test_a_node_made_as_the_layout_has_it_differs_in_nothing(distribution: Any) -> None:
    files = node(distribution)
    assert certs.layout_mismatches(distribution, files, version="1.33.1", node_name="node-1") == []
    assert set(files) <= set(certs.layout_files(distribution, version="1.33.1"))


def test_what_is_otherwise_is_told_with_its_path_and_what_was_expected() -> None:
    files = node("k3s", "/data")
    tls = "/data/server/tls"
    files[f"{tls}/client-admin.crt"] = files[f"{tls}/client-scheduler.crt"]
    del files[f"{tls}/etcd/client.crt"]
    found = certs.layout_mismatches("k3s", files, version="1.33.1", data_dir="/data")
    kinds = ["commonName", "organizations", "missing"]
    assert [(one["path"], one["mismatch"]) for one in found] == [
        (f"{tls}/client-admin.crt", kinds[0]),
        (f"{tls}/client-admin.crt", kinds[1]),
        (f"{tls}/etcd/client.crt", kinds[2]),
    ]
    assert (found[0]["found"], found[1]["expected"]) == ("system:kube-scheduler", ["system:masters"])
    # Elsewhere nothing of it is seen.
    assert {one["mismatch"] for one in certs.layout_mismatches("k3s", files, version="1.33.1")} == {"missing"}


def test_the_window_of_renewal_is_that_of_the_release() -> None:
    def days(version: str) -> Any:
        entries = certs.layout("rke2", version=version)["entries"]
        return next(entry["renewal"]["withinDays"] for entry in entries if entry["name"] == "client-scheduler")

    assert [days(version) for version in ("1.32.4", "1.32.5", "1.33.0", "1.33.1")] == [90, 120, 90, 120]


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"'?talos.* is no distribution .*kubeadm, k3s, rke2, k0s"):
        certs.layout("talos", version="1.33")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="kinds"):
        certs.layout_mismatches("k3s", {}, version="1.33", kinds=["master"])  # type: ignore[list-item]


# --- PKCS#12


PASSWORD = "geheim-planted"
LEAF = {"commonName": {"names": ["leaf"]}, "organizations": [], "extKeyUsage": ["serverAuth"]}
CA = issued({"commonName": {"names": ["ca"]}, "organizations": [], "extKeyUsage": None}, None)
PAIR = issued(LEAF, CA)
BUILDER = serialization.PrivateFormat.PKCS12.encryption_builder()
WAYS = {
    "best": serialization.BestAvailableEncryption(PASSWORD.encode()),
    "aes": BUILDER.kdf_rounds(20_000)
    .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    .hmac_hash(hashes.SHA512())
    .build(PASSWORD.encode()),
    "triple DES": BUILDER.kdf_rounds(2_000)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())
    .build(PASSWORD.encode()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_by_cryptography_is_read_with_its_key(way: str, tmp_path: Path) -> None:
    file = tmp_path / "store.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"web", PAIR[1], PAIR[0], [CA[0]], WAYS[way]))
    for given in (file, str(file), file.read_bytes()):
        found = certs.pkcs12(given, password=PASSWORD)
        items = [(item["entry"], item["certificate"].subject, item["key"]) for item in found["items"]]
        assert (items, found["unread"]) == ([("web", "CN=leaf", "own"), ("certificate[1]", "CN=ca", "none")], [])
    with_another = certs.pkcs12(file, password="another")
    assert [(one["problem"], PASSWORD in one["message"]) for one in with_another["unread"]] == [
        ("wrongPassword", False)
    ]


def test_a_trust_store_of_java_and_a_file_without_a_password_are_read() -> None:
    trusted = [pkcs12.PKCS12Certificate(CA[0], b"corporate"), pkcs12.PKCS12Certificate(PAIR[0], None)]
    store = pkcs12.serialize_java_truststore(trusted, WAYS["best"])
    found = certs.pkcs12(store, password=PASSWORD)
    assert [(item["entry"], item["key"]) for item in found["items"]] == [
        ("corporate", "none"),
        ("certificate[1]", "none"),
    ]
    bare = pkcs12.serialize_key_and_certificates(None, PAIR[1], PAIR[0], None, serialization.NoEncryption())
    found = certs.pkcs12(bare, password="")
    assert ([item["key"] for item in found["items"]], found["unread"]) == (["own"], [])


def test_what_is_no_pkcs12_or_no_file_says_so(tmp_path: Path) -> None:
    assert certs.pkcs12(b"", password="")["unread"][0]["problem"] == "notPkcs12"
    with pytest.raises(FileNotFoundError):
        certs.pkcs12(tmp_path / "nowhere.p12", password="")
