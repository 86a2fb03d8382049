"""Certificates read, parsed and judged, beside pyca/cryptography and openssl."""

import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from time import process_time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from measure import Pair, Wrong, cpu_seconds, nanoseconds_each, run, turns

COUNT = 10_000
QUICK_COUNT = 1_000
NODES = 500
QUICK_NODES = 50
CONTROL_PLANES = 3
# One process each: of so many they take seconds, and each takes the same.
PROCESSES = 500
QUICK_PROCESSES = 50
ROUNDS = 5
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# Of the leaves, which end with the year: not yet within the thirty days, and within.
HEALTHY, NEAR = datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)

Facts = tuple[Any, ...]


@dataclass
class Certificates:
    """What was measured."""

    pairs: list[Pair]
    parts: dict[str, float]
    """Nanoseconds for each certificate in Rust, part by part."""
    notes: list[str]


def measure(bench: str, quick: bool) -> Certificates:
    count, nodes = (QUICK_COUNT, QUICK_NODES) if quick else (COUNT, NODES)
    processes = QUICK_PROCESSES if quick else PROCESSES
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder, tempfile.TemporaryDirectory() as cluster:
        files = list(write(Path(folder), count))
        of_nodes = list(write_nodes(Path(cluster), nodes))
        agree(bench, folder, files)
        agree_on_judgement([Path(folder, "ca.crt"), *files], {HEALTHY: 0, NEAR: count})
        agree_on_judgement(of_nodes, {HEALTHY: 0})
        in_cluster = int(said(bench, cluster, "certificates"))
        in_rust = partial(nanoseconds_each, [bench, "certs", "everything", folder], ROUNDS, count)
        cluster_in_rust = partial(nanoseconds_each, [bench, "certs", "everything", cluster], ROUNDS, 1)
        parts = {
            work: min(nanoseconds_each([bench, "certs", work, folder], ROUNDS, count) for _ in range(3))
            for work in ("read", "judge", "everything")
        }
        every, alone = [Path(folder, "ca.crt"), *files], partial(turns, measure=lambda side: side())
        return Certificates(
            [
                alone(
                    "read, parsed, judged in Rust",
                    "openssl x509, a process each",
                    ours=in_rust,
                    theirs=partial(openssl_each, files[:processes]),
                ),
                alone(
                    "read, parsed, judged in Rust",
                    "cryptography",
                    ours=in_rust,
                    theirs=partial(judging, by_cryptography, every),
                ),
                alone(
                    "certs.file_findings, one call",
                    "cryptography",
                    ours=partial(judging, by_trimtab, every),
                    theirs=partial(judging, by_cryptography, every),
                ),
                alone(
                    "certs.certificates, every fact",
                    "cryptography, the same facts",
                    ours=partial(each, of_trimtab, files),
                    theirs=partial(each, of_cryptography, files),
                ),
                alone(
                    "a cluster in Rust",
                    "cryptography",
                    ours=cluster_in_rust,
                    theirs=partial(judging, by_cryptography, of_nodes, 1),
                ),
                alone(
                    "a cluster by certs.file_findings",
                    "cryptography",
                    ours=partial(judging, by_trimtab, of_nodes, 1),
                    theirs=partial(judging, by_cryptography, of_nodes, 1),
                ),
            ],
            parts,
            [
                f"{count:,} certificates, a file each; openssl x509 ran for {processes} of them, others take as long",
                f"the cluster: {nodes} nodes and {CONTROL_PLANES} control planes, {in_cluster:,} certificates "
                f"in {len(of_nodes):,} files, with the private keys beside them",
            ],
        )


# --- the same results


def agree(bench: str, folder: str, files: list[Path]) -> None:
    if said(bench, folder, "certificates") != str(len(files) + 1):
        raise Wrong(
            f"{len(files) + 1} certificates were written, and the bench finds {said(bench, folder, 'certificates')}"
        )
    for file in files:
        if (one := of_trimtab(file)) != (other := of_cryptography(file)):
            raise Wrong(f"{file}: trimtab says {one}, cryptography {other}")


def said(bench: str, folder: str, what: str) -> str:
    return run(bench, "certs", "everything", folder, "1").split(f'"{what}":')[1].split(",")[0].rstrip("}\n")


def agree_on_judgement(files: list[Path], expected: dict[datetime, int]) -> None:
    for now, findings in expected.items():
        found = by_trimtab(files, now), by_cryptography(files, now)
        if found != (findings, findings):
            raise Wrong(f"{findings} findings are expected at {now}; trimtab and cryptography say {found}")


# --- the works


def each(facts: Callable[[Path], Facts], files: list[Path]) -> float:
    """Nanoseconds of CPU time a file."""
    start = process_time()
    for file in files:
        facts(file)
    return (process_time() - start) * 1e9 / len(files)


def judging(judge: Callable[[list[Path], datetime], int], files: list[Path], pieces: int | None = None) -> float:
    """Nanoseconds of CPU time a file, or of the whole."""
    start = process_time()
    judge(files, HEALTHY)
    return (process_time() - start) * 1e9 / (pieces or len(files))


def openssl_each(files: list[Path]) -> float:
    shown = ["-noout", "-subject", "-issuer", "-dates", "-serial", "-ext", "subjectAltName,extendedKeyUsage,keyUsage"]
    return sum(cpu_seconds(["openssl", "x509", "-in", str(file), *shown]) for file in files) * 1e9 / len(files)


def by_trimtab(files: list[Path], now: datetime) -> int:
    from trimtab import certs

    return len(certs.file_findings(files, now=now))


def by_cryptography(files: list[Path], now: datetime) -> int:
    """What one would write: dates, weak keys and hashes, the key beside, who signed whom by name and key identifier."""
    read = [pair for file in files for pair in pairs_in(file)]
    authorities: dict[x509.Name, list[x509.Certificate]] = {}
    for certificate, _ in read:
        if is_ca(certificate):
            authorities.setdefault(certificate.subject, []).append(certificate)
    return sum(wrong(certificate, key, authorities, now) for certificate, key in read)


def wrong(
    certificate: x509.Certificate, key: Any, authorities: dict[x509.Name, list[x509.Certificate]], now: datetime
) -> int:
    within = timedelta(days=365 if is_ca(certificate) else 30)
    ends, public = certificate.not_valid_after_utc, certificate.public_key()
    found = ends < now + within
    found += certificate.not_valid_before_utc > now
    found += not is_ca(certificate) and ends - certificate.not_valid_before_utc > timedelta(days=3653)
    found += isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5)
    found += isinstance(public, rsa.RSAPublicKey) and public.key_size < 2048
    found += key is not None and key.public_key() != public
    if certificate.subject != certificate.issuer and (named := authorities.get(certificate.issuer)):
        wanted = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        signer = next((one for one in named if key_id(one) == wanted), None)
        found += signer is None or signer.not_valid_after_utc < ends
    return found


def is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def key_id(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def pairs_in(file: Path) -> Iterator[tuple[x509.Certificate, Any]]:
    text = file.read_bytes()
    if file.suffix == ".conf":
        field = dict(line.strip().split(b": ") for line in text.splitlines() if b"-data: " in line)
        certificate, authority, key = (b64decode(field[name]) for name in FIELDS)
        yield x509.load_pem_x509_certificate(authority), None
        yield x509.load_pem_x509_certificate(certificate), serialization.load_pem_private_key(key, None)
    else:
        key = serialization.load_pem_private_key(text, None) if b"PRIVATE KEY" in text else None
        yield x509.load_pem_x509_certificate(text), key


FIELDS = (b"client-certificate-data", b"certificate-authority-data", b"client-key-data")


def of_trimtab(file: Path) -> Facts:
    from trimtab import certs

    found = certs.certificates(file)[0].certificate
    if found is None:
        raise Wrong(f"{file}: no certificate")
    names = [name.get("name") or name["address"] for name in found.subject_alt_name or []]
    ends = (datetime.fromisoformat(found.not_before), datetime.fromisoformat(found.not_after))
    return found.subject, found.issuer, found.serial_number, *ends, names, found.ext_key_usage, found.key_usage


def of_cryptography(file: Path) -> Facts:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    extensions = found.extensions
    names = [str(name.value) for name in extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
    uses = [use._name for use in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    bits = [
        name
        for bit, name in ((usage.digital_signature, "digitalSignature"), (usage.key_encipherment, "keyEncipherment"))
        if bit
    ]
    ends = (found.not_valid_before_utc, found.not_valid_after_utc)
    return found.subject.rfc4514_string(), found.issuer.rfc4514_string(), found.serial_number, *ends, names, uses, bits


# --- the input


def write(folder: Path, count: int) -> Iterator[Path]:
    """An authority, and leaves as an API server has them: an RSA key, eight names."""
    key, ca_key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    ca = begun(ca_name, ca_name, 1, 3650).public_key(ca_key.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
    (folder / "ca.crt").write_bytes(pem(ca.sign(ca_key, hashes.SHA256())))
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    use, issuer = (
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
    )
    for number in range(count):
        group, common = (
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"node-{number}"),
        )
        services = [f"kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in (*services, f"node-{number}", "localhost")]
        names += [x509.IPAddress(IPv4Address("10.96.0.1")), x509.IPAddress(IPv4Address(0xC0000200 + number))]
        leaf = begun(x509.Name([group, common]), ca_name, number + 2, 365).public_key(key)
        for extension, critical in (
            (usage, True),
            (use, False),
            (issuer, False),
            (x509.SubjectAlternativeName(names), False),
        ):
            leaf = leaf.add_extension(extension, critical=critical)
        file = folder / f"node-{number}.crt"
        file.write_bytes(pem(leaf.sign(ca_key, hashes.SHA256())))
        yield file


def write_nodes(folder: Path, count: int) -> Iterator[Path]:
    """What a cluster of kubeadm's has: control planes with everything, and nodes with what their kubelets hold."""
    authorities = {name: authority(common) for name, common in AUTHORITIES.items()}
    for number in range(CONTROL_PLANES):
        node = folder / f"control-plane-{number}"
        (node / "etcd").mkdir(parents=True)
        for name, (ca, _) in authorities.items():
            yield put(node / f"{name}.crt", pem(ca))
        for name, (common, signer) in LEAVES.items():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            yield put(node / f"{name}.crt", pem(leaf(common, key, *authorities[signer])))
        for name in ("admin", "super-admin", "controller-manager", "scheduler"):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            client = leaf(name, key, *authorities["ca"])
            yield put(node / f"{name}.conf", kubeconfig(authorities["ca"][0], client, key))
        yield from kubelet(node, authorities)
    for number in range(count):
        node = folder / f"node-{number}"
        node.mkdir()
        yield from kubelet(node, authorities)


AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd/ca": "etcd-ca"}
LEAVES = {
    "apiserver": ("kube-apiserver", "ca"),
    "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", "ca"),
    "front-proxy-client": ("front-proxy-client", "front-proxy-ca"),
    "etcd/server": ("node", "etcd/ca"),
    "etcd/peer": ("node", "etcd/ca"),
    "etcd/healthcheck-client": ("kube-etcd-healthcheck-client", "etcd/ca"),
    "apiserver-etcd-client": ("kube-apiserver-etcd-client", "etcd/ca"),
}
Authority = tuple[x509.Certificate, Any]


def kubelet(node: Path, authorities: dict[str, Authority]) -> Iterator[Path]:
    for use in ("client", "server"):
        key = ec.generate_private_key(ec.SECP256R1())
        yield put(
            node / f"kubelet-{use}-current.pem",
            pem(leaf(f"system:node:{node.name}", key, *authorities["ca"])) + key_pem(key),
        )


def authority(common: str) -> Authority:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    ca = begun(name, name, x509.random_serial_number(), 3650).public_key(key.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return ca.sign(key, hashes.SHA256()), key


def leaf(common: str, key: Any, ca: x509.Certificate, ca_key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    made = begun(name, ca.subject, x509.random_serial_number(), 365).public_key(key.public_key())
    made = made.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return made.sign(ca_key, hashes.SHA256())


def kubeconfig(ca: x509.Certificate, client: x509.Certificate, key: Any) -> bytes:
    data = [b64encode(text) for text in (pem(client), pem(ca), key_pem(key))]
    return b"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %b
    server: https://192.0.2.10:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: user
  name: context
current-context: context
kind: Config
users:
- name: user
  user:
    client-certificate-data: %b
    client-key-data: %b
""" % (data[1], data[0], data[2])


def key_pem(key: Any) -> bytes:
    kept = serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, kept))


def put(file: Path, contents: bytes) -> Path:
    file.write_bytes(contents)
    return file


def begun(subject: x509.Name, issuer: x509.Name, serial: int, days: int) -> Any:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(serial)
    return builder.not_valid_before(BEGIN).not_valid_after(BEGIN + timedelta(days=days))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def openssl() -> str:
    try:
        return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    except FileNotFoundError as missing:
        raise Wrong("openssl is missing: apt-get install openssl") from missing
