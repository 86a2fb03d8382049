"""Certificates: what they say, when they are renewed, what kubeadm does with them, and renewal that loses nothing.

>>> from trimtab import certs
>>> certs.rotation_window("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z")  # between which two moments a kubelet renews
('2026-01-08T00:00:00Z', '2026-01-10T00:00:00Z')

A file, whatever is in it::

    for found in certs.certificates("/etc/kubernetes/pki/apiserver.crt"):
        print(found.certificate.subject, found.certificate.not_after) if found.certificate else print(found.problem)

All that is wrong in many files, the worst first::

    for finding in certs.findings(glob("/etc/kubernetes/**/*.c*", recursive=True), now=datetime.now(UTC)):
        print(finding["severity"], finding["place"]["source"], finding["message"])

What a release's kubeadm would show of a node, and what it would do to it, with nothing run and nothing written::

    pki = certs.kubeadm_pki("/etc/kubernetes")
    print(certs.kubeadm_check_expiration(pki, version="1.31", now=datetime.now(UTC))["stdout"])
    for outcome in certs.kubeadm_renew_forecast(pki, version="1.31", now=datetime.now(UTC))["outcomes"]:
        print(outcome)  # a renewed one with its losses

Renewal that keeps subject, names, usages and every other extension:

>>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
>>> renewed = certs.renew(old, ca=ca, ca_key=ca_key, now="2026-11-23T06:00:00Z")
>>> renewed.certificate.subject_alt_name == old.subject_alt_name, renewed.not_after
(True, '2027-11-23T06:00:00Z')
"""

from ._core import (
    KUBEADM_OLD_AUTHORITY_NAME,
    Certificate,
    FoundCertificate,
    PrivateKey,
    Renewed,
    accept,
    certificates,
    check_signature,
    example_pair,
    findings,
    human_duration,
    jittery_duration_ns,
    kubeadm_alt_names,
    kubeadm_alt_names_without_duplicates,
    kubeadm_check_expiration,
    kubeadm_command,
    kubeadm_config,
    kubeadm_config_load,
    kubeadm_init_forecast,
    kubeadm_init_phase_forecast,
    kubeadm_item,
    kubeadm_items,
    kubeadm_pki,
    kubeadm_renew_forecast,
    kubeadm_renewable,
    kubeadm_rules,
    kubeadm_spec,
    pair_file_name,
    renew,
    renew_before,
    renewal_in_window,
    renewal_time,
    rotation_deadline_ns,
    rotation_window,
    satisfies_template,
    short_human_duration,
    signing_request,
    verify_chain,
)

__all__ = [
    "KUBEADM_OLD_AUTHORITY_NAME",
    "Certificate",
    "FoundCertificate",
    "PrivateKey",
    "Renewed",
    "accept",
    "certificates",
    "check_signature",
    "example_pair",
    "findings",
    "human_duration",
    "jittery_duration_ns",
    "kubeadm_alt_names",
    "kubeadm_alt_names_without_duplicates",
    "kubeadm_check_expiration",
    "kubeadm_command",
    "kubeadm_config",
    "kubeadm_config_load",
    "kubeadm_init_forecast",
    "kubeadm_init_phase_forecast",
    "kubeadm_item",
    "kubeadm_items",
    "kubeadm_pki",
    "kubeadm_renew_forecast",
    "kubeadm_renewable",
    "kubeadm_rules",
    "kubeadm_spec",
    "pair_file_name",
    "renew",
    "renew_before",
    "renewal_in_window",
    "renewal_time",
    "rotation_deadline_ns",
    "rotation_window",
    "satisfies_template",
    "short_human_duration",
    "signing_request",
    "verify_chain",
]
