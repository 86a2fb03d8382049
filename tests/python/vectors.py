#!/usr/bin/env python3
"""The Python half of the vector runner: every case of every topic, through the public API.

    python tests/python/vectors.py [--topics node/qos,sched/executed_num_feasible_nodes]

The directory is TRIMTAB_VECTORS, tests/vectors by default. One line `python node/qos: passed/total` per topic. A topic
that no runner knows fails, and so does a directory without any topic, or a topic without a case. A topic is a file of
cases, or a database (`etcd/NAME.db`, or `NAME.db.zst`) with what upstream said of it in the .json beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cryptography_vectors as cryptography_vectors_package
import vectors_history
import vectors_kubeadm
import zstandard
from trimtab import InvalidInput, Quantity, certs, etcd, net, node, sched

Case = dict[str, Any]
Judge = Callable[[Case, Any], Any]
"""Takes the input of a case and what is expected, and gives what was got, in the shape of what is expected."""

KINDS = (".json", ".db", ".db.zst")
# Cases of the areas node and sched that name no release mean this one.
DEFAULT_VERSION = "1.36"
SHOWN_MISMATCHES = 5


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Runs the vectors through the Python API.")
    parser.add_argument("--topics", help="only these, separated by commas; all of the directory otherwise")
    wanted = parser.parse_args(arguments).topics
    root = Path(os.environ.get("TRIMTAB_VECTORS") or Path(__file__).parents[1] / "vectors")
    topics = wanted.split(",") if wanted else topics_of(root)
    if not topics:
        print(f"{root} holds no topic (AREA/TOPIC.json): point TRIMTAB_VECTORS at the vectors", file=sys.stderr)
        return 1
    # Every topic runs, whatever became of the one before.
    passed = [run(topic, root / f"{topic}.json") for topic in topics]
    return int(not all(passed))


def topics_of(root: Path) -> list[str]:
    """By every file of each, so that none is passed over whose .json is missing."""
    found = {str(path.relative_to(root)): kind for kind in KINDS for path in root.glob(f"*/*{kind}")}
    return sorted({name.removesuffix(kind) for name, kind in found.items()})


def run(topic: str, file: Path) -> bool:
    try:
        total, misses = outcome(topic, file)
    except Exception as error:
        total, misses = 1, [f"{type(error).__name__}: {error}"]
    for miss in misses[:SHOWN_MISMATCHES]:
        print(f"{topic}: {miss}", file=sys.stderr)
    print(f"python {topic}: {total - len(misses)}/{total}", flush=True)
    return total > 0 and not misses


def outcome(topic: str, file: Path) -> tuple[int, list[str]]:
    """How many cases there are, and what is wrong with those that missed."""
    database = database_of(file)
    if database is not None:
        said = database_cases(json.loads(file.read_text()), database)
        return len(said), [f"{name}: {miss}" for name, miss in said if miss is not None]
    judge = TOPICS.get(topic)
    if judge is None:
        return 1, ["no runner knows this topic (tests/python/vectors.py)"]
    cases: list[Case] = json.loads(file.read_text())
    if topic in vectors_kubeadm.TOPICS:
        # Of some cases only the name of the scenario tells what was there.
        cases = [case | {"input": {"id": case["id"]} | case["input"]} for case in cases]
    return len(cases), [miss for case in cases if (miss := missed(judge, case))]


def database_of(file: Path) -> bytes | None:
    """The database beside a topic's .json, plain or packed; none of another area's."""
    plain, packed = file.with_name(f"{file.stem}.db"), file.with_name(f"{file.stem}.db.zst")
    if file.parent.name != "etcd":
        return None
    if plain.is_file():
        return plain.read_bytes()
    with zstandard.open(packed, "rb") as unpacked:
        return bytes(unpacked.read())


def missed(judge: Judge, case: Case) -> str | None:
    """What is wrong with a case, or nothing."""
    expected = case["expected"]
    try:
        got = judge(case["input"], expected)
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
    if got == expected and type(got) is type(expected):
        return None
    return f"{case['id']}: expected {json.dumps(expected)}, got {json.dumps(got, default=repr)}"


# --- node


def release(given: Case) -> dict[str, Any]:
    return {"version": given.get("version", DEFAULT_VERSION), "feature_gates": given.get("featureGates") or None}


def qos(given: Case, expected: Any) -> Any:
    match given["op"]:
        case "compute_qos":
            return node.compute_qos(given["pod"], **release(given))
        case "qos":
            return node.pod_qos(given["pod"], **release(given))
        case "default_then_qos":
            stored = node.set_defaults(given["pod"], **release(given))
            stored["status"] = given["pod"].get("status", {})
            return defaulted(stored, node.pod_qos(stored, **release(given)), expected, resources_alone=True)
        case "api_create":
            stored = node.default_manifest(given["pod"], **release(given))
            return defaulted(stored, stored["status"]["qosClass"], expected, resources_alone=False)
    raise LookupError(f"no runner knows the op {given['op']}")


def defaulted(stored: Case, qos_class: str, expected: Case, *, resources_alone: bool) -> Case:
    """The defaulted pod in the shape of the case; a container without resources may be spelt in two ways."""
    spec = stored["spec"]
    got: Case = {"qosClass": qos_class}
    for name in ("containers", "initContainers"):
        if name in expected:
            got[name] = [
                shaped(container, like, resources_alone=resources_alone)
                for container, like in zip(spec.get(name) or [], expected[name], strict=True)
            ]
    if "podResources" in expected or spec.get("resources") is not None:
        got["podResources"] = spec.get("resources")
    return got


def shaped(container: Case, like: Case, *, resources_alone: bool) -> Case:
    resources = container.get("resources") or {}
    if resources_alone:
        return resources
    named = {"name": container["name"]}
    return {**named, "resources": resources} if resources or "resources" in like else named


def oom_score_adj(given: Case, expected: Any) -> Any:
    capacity = given["memoryCapacity"]
    if isinstance(expected, dict) and "panic" in expected:
        # Upstream panics; here it is a typed error.
        try:
            node.oom_score_adj(given["pod"], given["container"], memory_capacity=capacity, **release(given))
        except InvalidInput:
            return expected
        return "no error"
    return node.oom_score_adj(given["pod"], given["container"], memory_capacity=capacity, **release(given))


def quantity(given: Case, expected: Any) -> Any:
    match given["op"]:
        case "parse":
            try:
                return described(Quantity(given["s"]), expected)
            except InvalidInput as error:
                # Compared by the name alone.
                return {**expected, "error": error.error}
        case "add":
            return described(Quantity(given["a"]) + Quantity(given["b"]), expected)
        case "sub":
            return described(Quantity(given["a"]) - Quantity(given["b"]), expected)
        case "cmp":
            a, b = Quantity(given["a"]), Quantity(given["b"])
            assert (a == b) == (hash(a) == hash(b))
            return (a > b) - (a < b)
        case "round_up":
            rounded, exact = Quantity(given["s"]).round_up(given["scale"])
            return {"exact": exact, "result": described(rounded, expected["result"])}
    raise LookupError(f"no runner knows the op {given['op']}")


def described(quantity: Quantity, expected: Case) -> Case:
    got = {
        "string": str(quantity),
        "canonical": quantity.canonical(),
        "format": quantity.format,
        "value": str(quantity.value()),
        "milli": str(quantity.milli_value()),
        "micro": str(quantity.scaled_value(-6)),
        "nano": str(quantity.scaled_value(-9)),
        "scaled_kilo": str(quantity.scaled_value(3)),
        "sign": quantity.sign,
        "is_zero": quantity.is_zero,
        "approx_float64": as_float(quantity.approximate_f64(), expected, "approx_float64"),
        "float64_slow": as_float(float(quantity), expected, "float64_slow"),
        # Informative: it says how upstream stores the number.
        "stored_as_bigdec": expected.get("stored_as_bigdec"),
    }
    if quantity.as_int64() is not None:
        got["as_int64"] = str(quantity.as_int64())
    return got


def as_float(number: float, expected: Case, field: str) -> str:
    """The text of the case where it means this very float; Go and Python write floats differently."""
    text = expected.get(field, "")
    same = text and (float(text) == number or (math.isnan(float(text)) and math.isnan(number)))
    return text if same else repr(number)


# --- sched


def num_feasible_nodes(given: Case, expected: Any) -> Any:
    version = given.get("version", DEFAULT_VERSION)
    if given.get("op") == "next_start_node_index":
        return next_start_node_index(given, version)
    return sched.num_feasible_nodes_to_find(given["num_all_nodes"], version=version, percentage=percentage(given))


def percentage(given: Case) -> sched.PercentageOfNodesToScore:
    both = given.get("global_percentage", given.get("percentage_of_nodes_to_score"))
    return sched.PercentageOfNodesToScore(global_percentage=both, profile_percentage=given.get("profile_percentage"))


def next_start_node_index(given: Case, version: str) -> Case:
    """Upstream's test schedules pods one after the other, and every node that is looked at is feasible."""
    nodes = given["num_all_nodes"]
    found = sched.num_feasible_nodes_to_find(nodes, version=version, percentage=percentage(given))
    index = 0
    for _ in range(given["pods_scheduled"]):
        index = sched.next_start_node_index(index, processed=found, num_all_nodes=nodes, version=version)
    return {"feasible_found": found, "next_start_node_index": index}


# --- net


def cpa_linear(given: Case, expected: Any) -> Any:
    if "json" in given:
        return parsed(net.LinearParams, given["json"], expected)
    if given.get("fn") == "single":
        return single(given)
    params = net.LinearParams.parse(json.dumps(given["params"]))
    if "cores" in given:
        return params.replicas(cores=given["cores"], nodes=given["nodes"])
    return params.expected_replicas(size(given))


def single(given: Case) -> int:
    """Upstream's `getExpectedReplicasFromParam`, whose ratio the case names beside the parameters."""
    params, ratio = given["params"], given["resources_per_replica"]
    checked = net.LinearParams(cores_per_replica=ratio, min=params["min"], max=params["max"])
    return checked.replicas_for("cores", given["resources"])


def size(given: Case) -> net.ClusterSize:
    schedulable = {name: given[name] for name in ("schedulable_cores", "schedulable_nodes")}
    total = {name: given.get(name, 0) for name in ("total_cores", "total_nodes")}
    return net.ClusterSize(**schedulable, **total)


def parsed(kind: type[net.LinearParams] | type[net.LadderParams], text: str, expected: Case) -> Case:
    try:
        params = kind.parse(text).to_dict()
    except InvalidInput:
        return {**expected, "error": True}
    got: Case = {"error": False}
    if "params" in expected:
        # Go's field names, of which the case holds a part.
        named = {name[0].upper() + name[1:]: value for name, value in params.items()}
        got["params"] = {name: named.get(name) for name in expected["params"]}
    return got


def cpa_ladder(given: Case, expected: Any) -> Any:
    if "json" in given:
        return parsed(net.LadderParams, given["json"], expected)
    if "entries" in given:
        return ladder(coresToReplicas=given["entries"]).replicas_for("cores", given["resources"])
    if "config" in given:
        return net.Mode.parse(given["mode"], json.dumps(given["config"])).expected_replicas(size(given))
    if "status" in given:
        status = {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:]: n for name, n in given["status"].items()
        }
        fields = {name: value for name, value in given.items() if name != "status"}
        return ladder(**fields).expected_replicas(size(status))
    return [list(step) for step in ladder(**given).cores_to_replicas]


def ladder(**fields: Any) -> net.Ladder:
    return net.LadderParams.parse(json.dumps(fields)).sorted()


# --- etcd


def database_cases(said: Case, database: bytes) -> list[tuple[str, str | None]]:
    """Each word of upstream is a case of its own. Texts are notes: where etcdutl panics there is nothing to compare."""
    judged: list[tuple[str, str | None]] = []
    for name, value in said.items():
        match name, value:
            case _, str():
                continue
            case (("hashkv" | "hashkv_at"), list()):
                judged += [
                    (f"{name} {at}", differing(DATABASE[name], said, database, one)) for at, one in enumerate(value)
                ]
            case (("status" | "etcdutl_hashkv"), dict()):
                judged.append((name, differing(DATABASE[name], said, database, value)))
            case _:
                judged.append((name, "no runner knows this word of upstream"))
    return judged


def differing(judge: Callable[[str, bytes, Case], Any], said: Case, database: bytes, expected: Case) -> str | None:
    try:
        got, wanted = judge(said["etcd"], database, expected)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if got == wanted else f"expected {json.dumps(wanted)}, got {json.dumps(got)}"


def verified(version: str, database: bytes) -> etcd.Verified:
    # Upstream's rule for a SHA-256 at the end: 32 bytes more than a multiple of 512.
    proven = etcd.verify(database, data_directory=len(database) % 512 != 32, etcd=version)
    # A server's own file has none; where one shows, the walk is wrong.
    assert proven.irregularity is None, proven.irregularity
    return proven


def status(version: str, database: bytes, expected: Case) -> Any:
    status = verified(version, database).status
    total_key = status.items if int(version.split(".")[1]) < 6 else status.total_key
    got = {
        "hash": status.hash,
        "revision": status.revision,
        "totalKey": total_key,
        "totalSize": status.total_size_bytes,
    }
    return got | ({} if status.version is None else {"version": status.version}), expected


def hashkv(version: str, database: bytes, expected: Case) -> Any:
    """Asked without a revision, as `endpoint hashkv` asks; a verification says the same."""
    got = etcd.hash_kv(database, etcd=version)
    assert verified(version, database).hash_kv == got
    revision = expected.get("hash_revision") or expected.get("header", {}).get("revision") or got.revision
    return shown(got), [expected["hash"], expected["compact_revision"], revision]


def hashkv_at(version: str, database: bytes, expected: Case) -> Any:
    revision = expected.get("revision") or expected["hash_revision"]
    got = etcd.hash_kv(database, revision=revision, etcd=version)
    return shown(got), [expected["hash"], expected["compact_revision"], revision]


def etcdutl_hashkv(version: str, database: bytes, expected: Case) -> Any:
    got = etcd.hash_kv(database, etcd=version)
    return shown(got), [expected["hash"], expected["compactRevision"], expected["hashRevision"]]


def shown(got: etcd.HashKv) -> list[int]:
    return [got.hash, got.compact_revision, got.revision]


# --- certs


def cert_rotation(given: Case, expected: Any) -> Any:
    match given["op"]:
        case "rotation_deadline":
            part = float(given["jitter"].removeprefix("fixed "))
            return {"deadline_ns": certs.rotation_deadline_ns(given["notBefore_ns"], given["notAfter_ns"], part=part)}
        case "jittery_duration":
            return {"duration_ns": certs.jittery_duration_ns(given["total_ns"], random=given["rand_float64"])}
        case "filename":
            return certs.pair_file_name(given["prefix"], given["local_time_or_qualifier"])
        case "cert_satisfies_template":
            return certs.satisfies_template(given["cert"], given["template"])
    raise AssertionError(f"no runner knows the op {given['op']}")


def rotation_deadline(given: Case, expected: Any) -> Any:
    ends = (given[field] * 10**9 for field in ("not_before_offset_s", "not_after_offset_s"))
    return {"deadline_offset_s": certs.rotation_deadline_ns(*ends, part=given["jitter_fraction"]) // 10**9}


def certmanager_renewal_time(given: Case, expected: Any) -> Any:
    rule = {name: given.get(name) for name in ("renew_before_s", "renew_before_percentage")}
    rule["renew_before"] = rule.pop("renew_before_s")
    if "windows" in given:
        assert all(window["tz"] == "UTC" for window in given["windows"]), "the runner knows no table of time zones"
        windows = [(window["cron"], int(window["duration_s"])) for window in given["windows"]]
        end, target = moment(given["not_after_s"]), moment(given["target_s"])
        at, allowed = certs.renewal_in_window(target, not_after=end, windows=windows)
        got = datetime.fromisoformat(at).timestamp()
        return {"renewal_offset_s": type(expected["renewal_offset_s"])(got), "error": not allowed}
    if "duration_s" in given:
        return {"renew_before_s": certs.renew_before(given["duration_s"], **rule)}
    at = certs.renewal_time(moment(given["not_before_s"]), moment(given["not_after_s"]), **rule)
    return {"renewal_offset_s": int(datetime.fromisoformat(at).timestamp())}


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def cryptography_vectors(given: Case, expected: Any) -> Any:
    """What pyca/cryptography says of its own vectors, whose package the test bed installs."""
    path = Path(cryptography_vectors_package.__file__).parents[1] / given["file"]
    found = certs.certificates(path)[0].certificate
    if found is None:
        return expected if not expected["parses"] else None
    if not expected["parses"]:
        # It gives up on a DSA key that inherits its parameters; here everything but the key is read.
        return expected if found.public_key == "DSA" and "DSAParameter" in given["file"] else found
    got = {
        "parses": True,
        "serial": str(found.serial_number),
        "not_before": found.not_before.replace("Z", "+00:00"),
        "not_after": found.not_after.replace("Z", "+00:00"),
        "subject_rfc4514": found.subject,
        "issuer_rfc4514": found.issuer,
        "sig_alg_oid": found.signature_algorithm_oid,
        "version": f"v{found.version}",
    }
    # What another parser says of it, in some versions of the file.
    got |= {field: said for field, said in expected.items() if field.startswith("x509_parser")}
    if "san_error" in expected:
        # It reads all extensions or none; here each stands alone, and the one that it stumbles over is another.
        names = found.subject_alt_name or []
        unread = bool(found.problems) or not names or any(name["type"] == "unread" for name in names)
        return got | {"san_error": expected["san_error"] if unread else names}
    names = found.subject_alt_name
    return got | {"san": None if names is None else [general_name(name) for name in names]}


def general_name(name: dict[str, Any]) -> str:
    match name:
        case {"type": "dns", "name": text}:
            return f"DNSName:{text}"
        case {"type": "ip", "address": text}:
            return f"IPAddress:{text}"
        case {"type": "email", "address": text}:
            return f"RFC822Name:{text}"
        case {"type": "uri", "uri": text}:
            return f"UniformResourceIdentifier:{text}"
        case {"type": "directory", "name": text}:
            return f"DirectoryName:<Name({text})>"
        case {"type": "registered", "oid": text}:
            return f"RegisteredID:<ObjectIdentifier(oid={text}, name=Unknown OID)>"
    return repr(name)


DATABASE: dict[str, Callable[[str, bytes, Case], Any]] = {
    "status": status,
    "hashkv": hashkv,
    "hashkv_at": hashkv_at,
    "etcdutl_hashkv": etcdutl_hashkv,
}

TOPICS: dict[str, Judge] = {
    "node/qos": qos,
    "node/qos_by_release": qos,
    "node/oom_score_adj": oom_score_adj,
    "node/oom_score_adj_by_release": oom_score_adj,
    "node/quantity": quantity,
    "sched/executed_num_feasible_nodes": num_feasible_nodes,
    "sched/num_feasible_nodes_by_release": num_feasible_nodes,
    "sched/scheduler_num_feasible_nodes": num_feasible_nodes,
    "net/cpa_linear": cpa_linear,
    "net/cpa_ladder": cpa_ladder,
    "net/executed_cpa_linear": cpa_linear,
    "certs/cert_rotation": cert_rotation,
    "certs/certmanager_renewal_time": certmanager_renewal_time,
    "certs/cryptography_vectors": cryptography_vectors,
    "certs/rotation_deadline": rotation_deadline,
    "history/controllerrevision": vectors_history.controller_revision,
    "history/cronjob": vectors_history.cron_job,
    "history/deployment_cleanup": vectors_history.deployment_cleanup,
    "history/helm": vectors_history.helm,
    "history/job_ttl": vectors_history.job_ttl,
    "history/podgc": vectors_history.pod_gc,
    **vectors_kubeadm.TOPICS,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
