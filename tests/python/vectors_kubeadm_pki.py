"""PKIs as plain data: what kubeadm makes, and what a case says was there; and how they are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from trimtab import InvalidInput, certs

Case = dict[str, Any]

CERTIFICATES_DIR = "/etc/kubernetes/pki"
START = "2026-11-23T06:00:00Z"
"""When the PKI of a case is made; its dates are told relative to that."""


class Mismatch(AssertionError):
    """What was got is not what is expected."""


def same(what: str, got: Any, wanted: Any) -> None:
    # As JSON, in which true is not 1.
    if json.dumps(got, sort_keys=True) != json.dumps(wanted, sort_keys=True):
        raise Mismatch(f"{what}: expected {json.dumps(wanted)}, got {json.dumps(got)}")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds(later: str, earlier: str) -> int:
    return int((moment(later) - moment(earlier)).total_seconds())


def rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


# --- the PKIs that it makes


def config_of(given: Case) -> Case:
    init = {
        "apiVersion": given.get("apiVersion"),
        "localAPIEndpoint": {"advertiseAddress": given.get("advertiseAddress")},
        "nodeRegistration": {"name": given.get("nodeName")},
    }
    return certs.kubeadm_config(init, given.get("cluster") or {})


def pki_by_release(given: Case, expected: Any) -> Any:
    match given["op"]:
        case "config_api_version":
            config = {"apiVersion": given["api_version"], "nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
            exit_code = loading(config, given["version"])
            same("rc", exit_code, expected["rc"])
            same("accepted", exit_code == 0, expected["accepted"])
        case "list_files":
            files_are(made(given), expected)
        case "file_facts":
            file_is(made(given), given, expected)
        case other:
            raise LookupError(f"no runner knows the op {other}")
    return expected


def loading(config: Case, version: str) -> int:
    try:
        certs.kubeadm_config_load(config, version=version)
    except InvalidInput as error:
        return int(error.to_dict()["exitCode"])
    return 0


def made(given: Case) -> Case:
    items = {}
    for entry in given["config"].get("pre") or []:
        facts = elsewhere(entry["name"], entry["not_before_minus_signing_s"], entry["not_after_minus_signing_s"])
        items[entry["name"]] = {"certificate": {"readable": readable(facts)}, "key": "present"}
    return certs.kubeadm_init_forecast(
        config_of(given["config"]), version=given["version"], now=START, pki={"items": items}
    )


def elsewhere(item: str, not_before: int, not_after: int) -> Case:
    """Authorities "made elsewhere": by Python's cryptography, which writes a `UTF8String`."""
    config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
    pki = certs.kubeadm_init_forecast(config, version="1.31", now=START)["pki"]
    facts: Case = pki["items"][item]["certificate"]["readable"]["facts"]
    for name in facts["subject"] + facts["issuer"]:
        for attribute in name["attributes"]:
            attribute["stringType"] = "UTF8String"
    for field, after in (("notBefore", not_before), ("notAfter", not_after)):
        facts[field] = rfc3339(moment(START) + timedelta(seconds=after))
    return facts


def readable(facts: Case) -> Case:
    return {
        "notBefore": facts["notBefore"],
        "notAfter": facts["notAfter"],
        "certificates": 1,
        "isCa": facts["basicConstraints"]["ca"],
        "signedByLocalCa": True,
        "facts": facts,
        "kubeconfig": None,
    }


def certificate(pki: Case, item: str) -> Case | None:
    """The certificate of an item, where it can be read."""
    match pki["items"].get(item):
        case {"certificate": {"readable": found}}:
            assert isinstance(found, dict)
            return found
    return None


def files_are(init: Case, expected: Case) -> None:
    for result, phase in zip(expected.get("results") or [], (init["certs"], init["kubeconfig"]), strict=False):
        same("rc", phase["exitCode"], result["rc"])
        if phase["exitCode"] == 0:
            same("stdout", phase["stdout"], result["stdout"])
    if "files" in expected:
        got = [
            {"path": path, "mode": f"{file['mode'] or usual_mode(path):o}", "pem_labels": file["pemLabels"]}
            for path, file in init["files"].items()
        ]
        same("files", got, expected["files"])


def usual_mode(path: str) -> int:
    """The mode of a file that was there before."""
    return 0o644 if path.endswith(".crt") else 0o600


def file_is(init: Case, given: Case, expected: Case) -> None:
    item, version = given["file"], given["version"]
    found = certificate(init["pki"], item)
    if found is None or found["facts"] is None:
        raise Mismatch(f"{item} is not made, or nothing is known of it")
    facts = found["facts"]
    made = init["certs"]["made"] | init["kubeconfig"]["made"]
    same("path", certs.kubeadm_item(item)["files"][0], expected["path"])
    same("certificates_in_file", found["certificates"], expected["certificates_in_file"])
    facts_are(facts, item, expected)
    dates_are(facts, START, slack(facts, of_authority=starts_with_authority(item, version)), expected)
    same_start(init, facts, item, version, expected)
    labels = [pem_label(made[item]["key"] if item in made else facts["publicKey"])]
    if found["kubeconfig"] is None:
        same("key_pem_labels", labels, expected["key_pem_labels"])
        return
    file = found["kubeconfig"]
    fields = {
        "clusters": "clusters",
        "server": "server",
        "contexts": "contexts",
        "current_context": "currentContext",
        "users": "users",
        "user_fields": "userFields",
        "top_level_keys_in_order": "topLevelKeys",
        "ca_data_equals_ca_crt": "caIsCaCrt",
    }
    got = {name: file[field] for name, field in fields.items()} | {"key_pem_labels": labels}
    same("kubeconfig", got, expected["kubeconfig"])


def pem_label(key: str) -> str:
    return {"RSA": "RSA PRIVATE KEY", "ECDSA": "EC PRIVATE KEY"}[key.split("-")[0]]


def slack(facts: Case, *, of_authority: bool) -> dict[str, int]:
    """How far dates may be from the forecast, which does not count the making of keys.

    Since 1.31 both ends of a leaf's validity are reckoned from the start of the command; before, and in new kubeconfigs
    ever since, one end is the authority's.
    """
    kind, _, size = facts["publicKey"].partition("-")
    making_keys = 90 if kind == "RSA" and int(size) > 2048 else 30
    return {
        "lifetime_s": making_keys if of_authority else 3,
        "not_before_minus_signing_s": making_keys,
        "not_after_minus_signing_s": making_keys,
    }


def starts_with_authority(item: str, version: str) -> bool:
    """Whether what `init` makes of it starts when its authority does."""
    about, rules = certs.kubeadm_item(item), certs.kubeadm_rules(version)
    rule = rules["kubeconfigNotBefore" if about["isKubeconfig"] else "leafNotBefore"]
    return not about["isAuthority"] and rule == "ofAuthority"


def dates_are(facts: Case, signing: str, slack: dict[str, int], expected: Case) -> None:
    got = {
        "lifetime_s": seconds(facts["notAfter"], facts["notBefore"]),
        "not_before_minus_signing_s": seconds(facts["notBefore"], signing),
        "not_after_minus_signing_s": seconds(facts["notAfter"], signing),
    }
    for field, at_most in slack.items():
        wanted = expected.get(field)
        if wanted is not None and abs(got[field] - wanted) > at_most:
            raise Mismatch(f"{field}: expected {wanted}, got {got[field]}")


def same_start(init: Case, facts: Case, item: str, version: str, expected: Case) -> None:
    """Whether it starts when its authority does. A leaf that is back-dated as its new authority is may start in the
    same second or not."""
    about = certs.kubeadm_item(item)
    authority = about["authority"] or item
    backdated = not about["isAuthority"] and not starts_with_authority(item, version)
    if backdated and authority in init["certs"]["made"]:
        return
    found = certificate(init["pki"], authority)
    starts_with_it = found is not None and found["notBefore"] == facts["notBefore"]
    same("not_before_equals_issuer_not_before", starts_with_it, expected["not_before_equals_issuer_not_before"])


def facts_are(facts: Case, item: str, expected: Case) -> None:
    """The fields of a certificate that a case names."""
    authority = certs.kubeadm_item(item)["authority"] or item
    key_ids = {None: None, "sha1": "sha1(spk)", "sha256Truncated": "sha256(spk)[:20]"}
    authority_ids = {"absent": None, "ofIssuer": f"= SKI of {authority}"}
    constraints = facts["basicConstraints"]
    got = {
        "subject": written(facts["subject"]),
        "subject_string_types": [one["stringType"] for name in facts["subject"] for one in name["attributes"]],
        "issuer": written(facts["issuer"]),
        "signature_algorithm": facts["signatureAlgorithm"],
        "public_key": facts["publicKey"],
        "san": facts["san"] or None,
        "key_usage": facts["keyUsage"] or None,
        "ext_key_usage": facts["extKeyUsage"] or None,
        "basic_constraints": constraints
        and {"ca": constraints["ca"], "path_length": constraints["pathLength"], "critical": constraints["critical"]},
        "subject_key_id": key_ids.get(facts["subjectKeyId"], "other"),
        "authority_key_id": authority_ids.get(facts["authorityKeyId"], "other"),
        "extensions_in_order": facts["extensions"],
        "signed_by": authority,
    }
    for name in got.keys() & expected.keys():
        same(name, got[name], expected[name])


def written(name: list[Case]) -> list[str]:
    return ["+".join(f"{one['kind']}={one['value']}" for one in rdn["attributes"]) for rdn in name]


# --- what a case says was there


def command_of(given: Case) -> Case | None:
    try:
        return certs.kubeadm_command(given.get("args") or [], version=given["version"])
    except InvalidInput:
        return None


def refused(expected: Case) -> Case:
    same("rc", 1, expected["rc"])
    same("changed", [], expected.get("changed", []))
    return expected


def source(given: Case, command: Case) -> Case:
    if command["config"] is None:
        return {"defaults": {"certificatesDir": command["certDir"] or CERTIFICATES_DIR}}
    return {"file": config_of(given["config"])}


def observed(pki: Case, given: Case, command: Case) -> Case:
    """What a case says was there, over what is there anyway."""
    for entry in given.get("state") or []:
        name = entry["name"]
        pki["items"][name] = state(entry, pki["items"].get(name), given["id"])
    new_authority_first(pki)
    if command["certDir"] not in (None, CERTIFICATES_DIR):
        kept = {name: held for name, held in pki["items"].items() if certs.kubeadm_item(name)["isKubeconfig"]}
        pki["items"] = kept
    return pki


def state(entry: Case, before: Case | None, scenario: str) -> Case:
    name = entry["name"]
    # That a key stays where its certificate is gone, and that a key is another one's, only the scenario's name tells.
    name_says_present = scenario.endswith(("/apiserver-crt-missing-key-present", "/ca-crt-missing-key-present"))
    match entry.get("key_present"):
        case _ if f"/{name}-key-mismatch" in scenario:
            key = "mismatch"
        case True:
            key = "present"
        case None if certs.kubeadm_item(name)["isKubeconfig"] or name_says_present:
            key = "present"
        case _:
            key = "absent"
    if entry.get("present") is False:
        return {"certificate": "missing", "key": key}
    if entry.get("readable") is False:
        return {"certificate": {"unreadable": {"reason": "as the case says"}}, "key": key}
    return {"certificate": {"readable": as_read(entry, before)}, "key": key}


def as_read(entry: Case, before: Case | None) -> Case:
    old = certificate({"items": {"": before}}, "") or {"facts": None, "kubeconfig": None}
    dates = {"notBefore": entry["not_before"], "notAfter": entry["not_after"]}
    signed_by_local_ca = entry.get("signed_by_local_ca", True)
    # A kubeconfig of another authority trusts that one.
    return dates | {
        "certificates": entry.get("certificates", 1),
        "isCa": entry.get("is_ca", certs.kubeadm_item(entry["name"])["isAuthority"]),
        "signedByLocalCa": signed_by_local_ca,
        "facts": old["facts"] and old["facts"] | dates,
        "kubeconfig": old["kubeconfig"] and old["kubeconfig"] | {"trustsCa": signed_by_local_ca},
    }


def new_authority_first(pki: Case) -> None:
    """Of a bundle the state tells the first certificate; that a leaf was signed by the second, whose key is on disk,
    shows in that it is older than the first."""
    bundle = certificate(pki, "ca")
    if bundle is None or bundle["certificates"] < 2:
        return
    older = [
        leaf
        for name in pki["items"]
        if certs.kubeadm_item(name)["authority"] == "ca"
        and (leaf := certificate(pki, name)) is not None
        and moment(leaf["notBefore"]) < moment(bundle["notBefore"])
    ]
    for leaf in older:
        leaf["signedByLocalCa"] = False
    if older and pki["items"]["ca"]["key"] == "present":
        pki["items"]["ca"]["key"] = "mismatch"


def usual(now: str) -> Case:
    """What a case does not list is "present, valid now, signed by their CA": as 1.31 makes it, on ECDSA keys and thirty
    days old."""
    config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10", "encryptionAlgorithm": "ECDSA-P256"}
    begin = rfc3339(moment(now) - timedelta(days=30))
    pki: Case = certs.kubeadm_init_forecast(config, version="1.31", now=begin)["pki"]
    for name in pki["items"]:
        found = certificate(pki, name)
        if found is not None:
            found["notBefore"] = found["facts"]["notBefore"] = begin
    return pki


def old_facts(pki: Case, given: Case) -> None:
    # Only the scenario's name tells that the kubeconfig has the whole bundle in it.
    bundle = given["id"].endswith("/kubeconfig-ca-data-bundle")
    ca = certificate(pki, "ca")
    for name in pki["items"]:
        found = certificate(pki, name)
        if found is None:
            continue
        if name in (given.get("before") or {}):
            found["facts"] = facts_of(given["before"][name], found)
        if bundle and found["kubeconfig"] is not None:
            found["kubeconfig"] |= {"caCertificates": ca["certificates"] if ca else 1, "caIsCaCrt": True}


def facts_of(given: Case, found: Case) -> Case:
    constraints = given.get("basic_constraints")
    return {
        "subject": name_of(given.get("subject") or [], given.get("subject_string_types") or []),
        "issuer": name_of(given.get("issuer") or [], []),
        "notBefore": found["notBefore"],
        "notAfter": found["notAfter"],
        "publicKey": given["public_key"],
        "signatureAlgorithm": given.get("signature_algorithm") or "",
        "san": given.get("san") or [],
        "keyUsage": given.get("key_usage") or [],
        "extKeyUsage": given.get("ext_key_usage") or [],
        "basicConstraints": constraints
        and {
            "ca": constraints["ca"],
            "pathLength": constraints.get("path_length"),
            "critical": constraints.get("critical", False),
        },
        "subjectKeyId": None,
        "authorityKeyId": "ofIssuer",
        "extensions": given.get("extensions_in_order") or [],
    }


def name_of(rdns: Iterable[str], string_types: Iterable[str]) -> list[Case]:
    """Where a case tells no types, nothing that is compared depends on them."""
    types = iter(string_types)
    return [
        {
            "attributes": [
                {"kind": kind, "value": value, "stringType": next(types, "PrintableString")}
                for kind, _, value in (text.partition("=") for text in rdn.split("+"))
            ]
        }
        for rdn in rdns
    ]
