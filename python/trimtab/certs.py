"""Certificates: what they say, and when they are renewed.

>>> from trimtab import certs
>>> certs.rotation_window("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z")  # between which two moments a kubelet renews
('2026-01-08T00:00:00Z', '2026-01-10T00:00:00Z')

A file, whatever is in it::

    for found in certs.certificates("/etc/kubernetes/pki/apiserver.crt"):
        print(found.certificate.subject, found.certificate.not_after) if found.certificate else print(found.problem)
"""

from ._core import (
    Certificate,
    FoundCertificate,
    certificates,
    jittery_duration_ns,
    pair_file_name,
    renew_before,
    renewal_in_window,
    renewal_time,
    rotation_deadline_ns,
    rotation_window,
    satisfies_template,
)

__all__ = [
    "Certificate",
    "FoundCertificate",
    "certificates",
    "jittery_duration_ns",
    "pair_file_name",
    "renew_before",
    "renewal_in_window",
    "renewal_time",
    "rotation_deadline_ns",
    "rotation_window",
    "satisfies_template",
]
