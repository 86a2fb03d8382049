"""Certificates: what they say, when they are renewed, what kubeadm does with them, and renewal that loses nothing.

>>> from trimtab import certs
>>> certs.rotation_window("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z")  # between which two moments a kubelet renews
('2026-01-08T00:00:00Z', '2026-01-10T00:00:00Z')

What another distribution keeps where, and what of it is otherwise on a node::

    paths = [Path(path) for path in certs.layout_files("k3s", version="1.33.1")]
    files = {str(path): path.read_bytes() for path in paths if path.is_file()}
    for mismatch in certs.layout_mismatches("k3s", files, version="1.33.1"):
        print(mismatch["path"], mismatch["message"])

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

What is wrong with a node, and between nodes, from the bytes of their files::

    for found in certs.cluster_findings({"node-a": files_a, "node-b": files_b}, version="1.31", now=datetime.now(UTC)):
        print(found)  # error: node-b: /etc/kubernetes/pki/ca.crt: the certificate of ca is not the same on all nodes: …

Renewal that keeps subject, names, usages and every other extension:

>>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
>>> renewed = certs.renew(old, ca=ca, ca_key=ca_key, now="2026-11-23T06:00:00Z")
>>> renewed.certificate.subject_alt_name == old.subject_alt_name, renewed.not_after
(True, '2027-11-23T06:00:00Z')

A whole node, as a plan that is applied, can be killed at any moment, and is taken back if wanted::

    node = certs.Node()  # /etc/kubernetes
    plan = certs.renewal_plan(node.observe(), version="1.31", now=datetime.now(UTC))
    print(plan)  # what is due, what restarts, what is held back and why
    print(plan.apply(node, progress=print))
    apiserver = Path("/etc/kubernetes/pki/apiserver.crt").read_bytes()
    print(certs.probe("127.0.0.1", 6443).beside(apiserver))  # renewed on the disk is not yet in use
    for backup in node.backups():
        node.rollback(backup)

Planning is pure, so it can be tried on an observation that was written by hand:

>>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
>>> print(certs.renewal_plan(seen, version="1.31", now="2026-11-25T12:00:00Z", items=["apiserver"]))
plan: renewal of certificates in /etc/kubernetes
  nothing to do
  held back: apiserver: not due: valid to 2027-01-05T00:00:00Z, 40d left, due with 30d or less
<BLANKLINE>
"""

from ._core import (
    KUBEADM_OLD_AUTHORITY_NAME,
    Backup,
    Certificate,
    ClusterPlan,
    Finding,
    FoundCertificate,
    Node,
    NodePlan,
    NodeSeen,
    PrivateKey,
    Recovered,
    RenewalEvent,
    RenewalHeld,
    RenewalNotice,
    RenewalPlan,
    RenewalReport,
    RenewalReported,
    RenewalStep,
    Renewed,
    Requested,
    Served,
    ServedBesideFile,
    accept,
    certificates,
    check_signature,
    cluster_findings,
    cluster_plan,
    copy_findings,
    example_node,
    example_pair,
    file_findings,
    findings_textfile,
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
    kubelet_findings,
    layout,
    layout_files,
    layout_mismatches,
    node_findings,
    node_seen,
    pair_file_name,
    pkcs12,
    probe,
    renew,
    renew_before,
    renewal_in_window,
    renewal_plan,
    renewal_time,
    rotation_deadline_ns,
    rotation_window,
    satisfies_template,
    served_finding,
    short_human_duration,
    signing_request,
    signing_request_findings,
    verify_chain,
)

__all__ = [
    "KUBEADM_OLD_AUTHORITY_NAME",
    "Backup",
    "Certificate",
    "ClusterPlan",
    "Finding",
    "FoundCertificate",
    "Node",
    "NodePlan",
    "NodeSeen",
    "PrivateKey",
    "Recovered",
    "RenewalEvent",
    "RenewalHeld",
    "RenewalNotice",
    "RenewalPlan",
    "RenewalReport",
    "RenewalReported",
    "RenewalStep",
    "Renewed",
    "Requested",
    "Served",
    "ServedBesideFile",
    "accept",
    "certificates",
    "check_signature",
    "cluster_findings",
    "cluster_plan",
    "copy_findings",
    "example_node",
    "example_pair",
    "file_findings",
    "findings_textfile",
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
    "kubelet_findings",
    "layout",
    "layout_files",
    "layout_mismatches",
    "node_findings",
    "node_seen",
    "pair_file_name",
    "pkcs12",
    "probe",
    "renew",
    "renew_before",
    "renewal_in_window",
    "renewal_plan",
    "renewal_time",
    "rotation_deadline_ns",
    "rotation_window",
    "satisfies_template",
    "served_finding",
    "short_human_duration",
    "signing_request",
    "signing_request_findings",
    "verify_chain",
]
