"""Certificates read, parsed and judged, beside pyca/cryptography and openssl."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
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
# One process each: two hundred take seconds.
PROCESSES = 200
ROUNDS = 5
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

Facts = tuple[Any, ...]


def measure(bench: str, quick: bool) -> list[Pair]:
    from trimtab import certs

    count = QUICK_COUNT if quick else COUNT
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
        files = list(write(Path(folder), count))
        said = run(bench, "certs", folder, "1")
        if f'"certificates":{count + 1}' not in said:
            raise Wrong(f"{count + 1} certificates were written, and the bench says {said}")
        ours, theirs = partial(of_trimtab, certs.certificates), of_cryptography
        for file in files:
            if (one := ours(file)) != (other := theirs(file)):
                raise Wrong(f"{file}: trimtab says {one}, cryptography {other}")
        in_rust = partial(nanoseconds_each, [bench, "certs", folder], ROUNDS, count)
        few = files[:PROCESSES]
        return [
            turns(
                "read, parsed, judged in Rust",
                "openssl x509, a process each",
                lambda side: side(),
                in_rust,
                partial(processes, few),
            ),
            turns("the same facts in Rust", "cryptography", lambda side: side(), in_rust, partial(each, theirs, files)),
            turns("trimtab.certs", "cryptography", partial(each, files=files), ours, theirs),
        ]


def each(facts: Callable[[Path], Facts], files: list[Path]) -> float:
    """Nanoseconds of CPU time a file."""
    start = process_time()
    for file in files:
        facts(file)
    return (process_time() - start) * 1e9 / len(files)


def processes(files: list[Path]) -> float:
    shown = ["-noout", "-subject", "-issuer", "-dates", "-serial", "-ext", "subjectAltName,extendedKeyUsage,keyUsage"]
    return sum(cpu_seconds(["openssl", "x509", "-in", str(file), *shown]) for file in files) * 1e9 / len(files)


def of_trimtab(certificates: Callable[[bytes], Any], file: Path) -> Facts:
    found = certificates(file.read_bytes())[0].certificate
    names = [name.get("name") or name["address"] for name in found.subject_alt_name]
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
