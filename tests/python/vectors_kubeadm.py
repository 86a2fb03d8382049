"""The topics about kubeadm: its spans of time, its list, its names, the PKIs it makes, what it shows and renews.

Exit codes, entries, dates, fields, files and their order are compared, and the standard output where it is forecast;
the wording of errors is not. A judge gives back what is expected where all of it was met, and says otherwise what was
not.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from trimtab import InvalidInput, certs
from vectors_kubeadm_pki import (
    Case,
    Mismatch,
    certificate,
    command_of,
    config_of,
    dates_are,
    facts_are,
    moment,
    observed,
    old_facts,
    pki_by_release,
    refused,
    same,
    slack,
    source,
    usual,
    usual_mode,
    written,
)

# --- spans, the list, names


def spans(given: Case, expected: Any) -> Any:
    match given["op"]:
        case "human_duration":
            return certs.human_duration(given["ns"])
        case "short_human_duration":
            return certs.short_human_duration(given["ns"])
    raise LookupError(f"no runner knows the op {given['op']}")


def kubeadm_list(given: Case, expected: Any) -> Any:
    path = expected.get("cert") or expected["path"]
    item = next(name for name in certs.kubeadm_items() if path in certs.kubeadm_item(name)["files"])
    first, last = releases(given["kubeadm"])
    if last < 12:
        # Releases that KubeVersion does not have; what differed is this one name.
        same("cn", certs.KUBEADM_OLD_AUTHORITY_NAME, expected["cn"])
    for minor in range(max(first, 12), last + 1):
        spec = certs.kubeadm_spec(item, version=f"1.{minor}")
        if spec is None:
            raise Mismatch(f"1.{minor} does not make {item}")
        row(spec, minor, expected)
    return expected


def releases(text: str) -> tuple[int, int]:
    """The releases that a row is about: `all`, `<1.29`, `>=1.29`, `1.29..1.35`, or `newer`, which is since 1.29."""

    def minor(release: str) -> int:
        digits = release.lstrip("~").removeprefix("1.")
        return int(digits[: next((at for at, c in enumerate(digits) if not c.isdigit()), len(digits))])

    match text:
        case _ if text.startswith("all"):
            return 12, 37
        case _ if text.startswith("newer"):
            return 29, 37
        case _ if text.startswith("<"):
            return 12, minor(text[1:]) - 1
        case _ if text.startswith(">="):
            return minor(text[2:]), 37
    start, end = text.split("..")
    return minor(start), minor(end)


def row(spec: Case, minor: int, expected: Case) -> None:
    item = certs.kubeadm_item(spec["item"])
    files = [*item["files"], None]
    got = {
        "cert": files[0],
        "path": files[0],
        "key": files[1],
        "cn": common_name(spec["commonName"], "<nodeName>"),
        "o": [spec["organization"]] if spec["organization"] is not None else [],
        "ca": item["authority"],
        "eku": spec["extKeyUsage"],
        "key_usage": spec["keyUsage"],
        "is_ca": item["isAuthority"],
        "embedded": item["isKubeconfig"],
        "validity": f"{spec['validitySeconds'] // 86_400 // 365}y",
    }
    # Rows tell the names of an authority for all releases; the list's own note, and the executed ones, say since 1.22.
    if not item["isAuthority"] or minor >= 22:
        got["san"] = shown_names(spec["item"], minor)
    for field, value in expected.items():
        if field == "san" and "san" not in got:
            continue
        wanted = ["DNS:kubernetes"] if field == "san" and spec["item"] == "ca" else value
        same(f"1.{minor}: {field}", got.get(field), wanted)


def common_name(name: Case, node_name: str) -> str:
    match name:
        case {"fixed": str(fixed)}:
            return fixed
        case {"ofNode": str(prefix)}:
            return prefix + node_name
    raise Mismatch(f"an unknown common name: {name}")


def shown_names(item: str, minor: int) -> list[str]:
    """With the placeholders of the list for what depends on the node."""
    config = {"nodeName": "<nodeName>", "advertiseAddress": "192.0.2.10"}
    names = certs.kubeadm_alt_names(item, config=config, version=f"1.{minor}")
    assert names is not None
    shown = [f"DNS:{name}" for name in names["dns"]] + [f"IP:{address}" for address in names["ip"]]
    from_config = {"etcd-server": ["+etcd.local.serverCertSANs"], "etcd-peer": ["+etcd.local.peerCertSANs"]}
    return [name.replace("192.0.2.10", "<advertise>") for name in shown] + from_config.get(item, [])


def kubeadm_san(given: Case, expected: Any) -> Any:
    if "dns" in given:
        names = certs.kubeadm_alt_names_without_duplicates(
            {"dns": given["dns"], "ip": given.get("ip", []), "dropped": []}
        )
        same("dns", names["dns"], expected["dns"])
        same("ip", names["ip"], expected["ip"])
        return expected
    config = {
        "nodeName": given.get("node_name", "node"),
        "advertiseAddress": given.get("advertise", "1.2.3.4"),
        "serviceSubnet": given.get("service_subnet", "10.96.0.0/12"),
        "controlPlaneEndpoint": given.get("control_plane_endpoint", ""),
        "certSans": given.get("cert_sans", []),
        "etcdServerCertSans": given.get("server_cert_sans", []),
        "etcdPeerCertSans": given.get("peer_cert_sans", []),
    }
    of = {"server_cert_sans": "etcd-server", "peer_cert_sans": "etcd-peer"}
    item = next((item for field, item in of.items() if field in given), "apiserver")
    try:
        found = certs.kubeadm_alt_names(item, config=config, version="1.37")
    except InvalidInput as error:
        if expected.get("error", "no error") not in str(error):
            raise
        return expected
    if found is None or "error" in expected:
        raise Mismatch(f"expected {expected}, got {found}")
    return names_are(found, expected)


def names_are(found: Case, expected: Case) -> Case:
    """As sets: upstream's own test looks whether each is there."""
    for field in ("dns", "ip"):
        if field in expected:
            same(field, sorted(found[field]), sorted(set(expected[field])))
    # The note of the row says that 1.2.3.L is dropped too.
    for field, wanted in (("dropped", "dropped_with_warning"), ("dns", "dns_contains")):
        missing = set(expected.get(wanted, [])) - set(found[field])
        if missing:
            raise Mismatch(f"{wanted}: {sorted(missing)} is not among {found[field]}")
    return expected


# --- what it shows


def check_expiration(given: Case, expected: Any) -> Any:
    command = command_of(given)
    if command is None:
        return refused(expected)
    output = command["verb"]["checkExpiration"]
    pki = observed({"items": {}}, given, command)
    wrong: Mismatch | None = None
    # kubeadm looks at the clock some parts of a second to some seconds after the case's own look.
    for halves in range(10):
        now = moment(given["now"]) + timedelta(milliseconds=500 * halves)
        try:
            return shown_is(pki, output, given, command, now, expected)
        except Mismatch as mismatch:
            wrong = mismatch
    raise wrong or Mismatch("no answer")


def shown_is(pki: Case, output: Any, given: Case, command: Case, now: datetime, expected: Case) -> Case:
    def show(output: Any) -> Case:
        config = source(given, command)
        return certs.kubeadm_check_expiration(pki, version=given["version"], now=now, config=config, output=output)

    shown = show(output)
    same("rc", shown["exitCode"], expected["rc"])
    match output:
        case _ if "json" in expected:
            text = show("json")["stdout"]
            expiration_is(json.loads(text[text.index("{") :]), expected["json"])
        case {"other": "jsonpath={.certificates[*].name}"}:
            same("stdout", " ".join(entry["item"] for entry in shown["certificates"]), expected["stdout"])
        case {"other": _}:
            pass
        case _:
            same("stdout", shown["stdout"], expected["stdout"])
    return expected


def expiration_is(got: Case, wanted: Case) -> None:
    """The printed object, its remaining seconds within three."""
    wanted = copy.deepcopy(wanted)
    for field in ("certificates", "certificateAuthorities"):
        for one, other in zip(got[field], wanted[field], strict=False):
            if abs(one["residualTime"] - other["residualTime"]) <= 3:
                other["residualTime"] = one["residualTime"]
    same("json", got, wanted)


# --- what it renews


def renew_by_release(given: Case, expected: Any) -> Any:
    command = command_of(given)
    if command is None:
        return refused(expected)
    version, now = given["version"], given["now"]
    pki = observed(usual(now), given, command)
    old_facts(pki, given)
    match command["verb"]:
        case {"renew": renewal}:
            umask = int(given.get("umask", "022"), 8)
            done = certs.kubeadm_renew_forecast(
                pki,
                which=renewal["which"],
                version=version,
                now=now,
                config=source(given, command),
                umask=umask,
                csr_dir=renewal.get("csrDir", renewal.get("csr_dir")),
            )
            done_is(done, given, expected)
            renewed_is(done, pki, now, expected)
        case {"initCerts": which}:
            done_is(phase("certs", which, pki, given), given, expected)
        case {"initKubeconfig": which}:
            done_is(phase("kubeconfig", which, pki, given), given, expected)
        case other:
            raise LookupError(f"another command: {other}")
    return expected


def phase(name: Any, which: Any, pki: Case, given: Case) -> Case:
    config = config_of(given["config"])
    return certs.kubeadm_init_phase_forecast(
        name, config=config, which=which, pki=pki, version=given["version"], now=given["now"]
    )


def done_is(done: Case, given: Case, expected: Case) -> None:
    same(f"rc ({done['stop']})", done["exitCode"], expected["rc"])
    same("stdout", done["stdout"], expected["stdout"])
    writes = done["writes"]
    for field, new in (("changed", False), ("created", True)):
        same(field, sorted({write["path"] for write in writes if (write["mode"] is not None) == new}), expected[field])
    stems = [stem(write["path"]) for write in writes]
    in_order = [one for at, one in enumerate(stems) if at == 0 or stems[at - 1] != one]
    same("written_in_order", in_order, expected["written_in_order"])
    modes = {write["path"]: f"{mode(write, given):o}" for write in writes}
    same("modes_after", modes, expected["modes_after"])
    traced(writes, expected)


def stem(path: str) -> str:
    ending = next((ending for ending in (".crt", ".key", ".csr") if path.endswith(ending)), "")
    return path.removesuffix(ending)


def mode(write: Case, given: Case) -> int:
    """An existing file keeps its mode; which it had, where it is not the usual one, only the scenario's name tells."""
    odd = {"admin.conf": 0o644, "pki/apiserver.crt": 0o600, "pki/apiserver.key": 0o640}
    path = write["path"]
    kept = odd if given["id"].endswith("/modes") else {}
    before = kept.get(path.removeprefix("/etc/kubernetes/"), usual_mode(path))
    return before if write["mode"] is None else int(write["mode"])


def traced(writes: list[Case], expected: Case) -> None:
    """What strace saw is a part of the writes, in their order."""
    rest = iter([write["path"] for write in writes])
    for line in expected.get("writes_strace") or []:
        path = line.split(" ")[0]
        if path not in rest:
            raise Mismatch(f"{path} is not written in this order")


def renewed_is(done: Case, pki: Case, now: str, expected: Case) -> None:
    renewed_items = {
        outcome["renewed"]["item"]: outcome["renewed"] for outcome in done["outcomes"] if "renewed" in outcome
    }
    for item, after in (expected.get("after") or {}).items():
        renewed = renewed_items.get(item)
        certificate_after(item, renewed, pki, now, after)
        if "kubeconfig" in expected:
            kubeconfig_after(renewed, expected["kubeconfig"])


def certificate_after(item: str, renewed: Case | None, pki: Case, now: str, after: Case) -> None:
    old = certificate(pki, item)
    if after.get("unreadable") is True:
        if renewed is not None or old is not None:
            raise Mismatch(f"{item} should not be readable")
        return
    same(f"{item}: renewed", renewed is not None, after["renewed"])
    if renewed is None:
        # It stays what it was, which is all that the case can say again.
        assert old is not None
        same(f"{item}: subject", written(old["facts"]["subject"]), after["subject"])
        return
    facts = renewed["after"]
    same(f"{item}: serial and key", [True, False], [after["serial_changed"], after["key_reused"]])
    facts_are(facts, item, after)
    authority = certificate(pki, certs.kubeadm_item(item)["authority"])
    assert authority is not None
    with_authority = facts["notBefore"] == authority["notBefore"]
    if "not_before_equals_issuer_not_before" in after:
        same(f"{item}: start", with_authority, after["not_before_equals_issuer_not_before"])
    dates_are(facts, now, slack(facts, of_authority=with_authority), after)


def kubeconfig_after(renewed: Case | None, expected: Case) -> None:
    if renewed is None:
        same("changed_sections", [], expected["changed_sections"])
        same("ca_data_unchanged", True, expected["ca_data_unchanged"])
        return
    fields = {
        "top_level_keys_in_order": "topLevelKeys",
        "lost_top_level_keys": "lostTopLevelKeys",
        "changed_sections": "changedSections",
        "ca_certs_in_data_after": "caCertificates",
        "ca_data_after_equals_ca_crt": "caIsCaCrt",
        "ca_data_unchanged": "caDataKept",
    }
    for name, field in fields.items():
        same(f"kubeconfig {name}", renewed["kubeconfig"][field], expected[name])


TOPICS: dict[str, Callable[[Case, Any], Any]] = {
    "certs/human_duration": spans,
    "certs/kubeadm_list": kubeadm_list,
    "certs/kubeadm_san": kubeadm_san,
    "certs/kubeadm_pki_by_release": pki_by_release,
    "certs/kubeadm_check_expiration_by_release": check_expiration,
    "certs/kubeadm_renew_by_release": renew_by_release,
}
