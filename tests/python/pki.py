"""Certificates for one test run: made here, written to a temporary folder, gone with it."""

from __future__ import annotations

import datetime
import functools
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@functools.cache
def certificates() -> Path:
    """A folder with ``another-ca.crt``, which signed nothing, and ``expired.crt`` with its key, whose time is over."""
    folder = Path(_folder().name)
    now = datetime.datetime.now(datetime.UTC)
    write(folder, "another-ca", "another CA", now, now + datetime.timedelta(days=1))
    write(folder, "expired", "expired-client", now - datetime.timedelta(days=2), now - datetime.timedelta(days=1))
    return folder


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Kept until the interpreter ends."""
    return tempfile.TemporaryDirectory(prefix="trimtab-pki-")


def write(folder: Path, stem: str, name: str, start: datetime.datetime, end: datetime.datetime) -> None:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / f"{stem}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{stem}.key").write_bytes(private)
