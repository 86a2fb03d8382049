"""`trimtab.certs`: how files, keys and forecasts get in and out. What comes out is checked by the vectors."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trimtab
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, certs
from turns import others_run_while

MADE = "2026-01-01T00:00:00Z"
NOW = "2026-11-23T06:00:00Z"
CONFIG = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
OLD, OLD_KEY, CA, CA_KEY = certs.example_pair(now=MADE)
SECRET = "s3cret-planted"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["items", "ca", "key"]), inner),
    max_leaves=8,
)


def pem(certificate: certs.Certificate, label: str = "CERTIFICATE") -> bytes:
    text = base64.encodebytes(certificate.der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def admin_conf(certificate: bytes, key: bytes, *, token: str = SECRET) -> str:
    data = {
        name: base64.b64encode(value).decode() for name, value in {"ca": pem(CA), "c": certificate, "k": key}.items()
    }
    return f"""\
apiVersion: v1
kind: Config
current-context: a@k
clusters: [{{name: k, cluster: {{server: "https://192.0.2.10:6443", certificate-authority-data: {data["ca"]}}}}}]
contexts: [{{name: a@k, context: {{cluster: k, user: a}}}}]
users:
- name: a
  user: {{client-certificate-data: {data["c"]}, client-key-data: {data["k"]}, token: {token}, password: {token}}}
"""


def node(folder: Path) -> Path:
    """What stands for `/etc/kubernetes`: an authority, one pair that it signed, and a kubeconfig with secrets in it."""
    (folder / "pki").mkdir()
    for name, certificate, key in (("ca", CA, CA_KEY), ("apiserver", OLD, OLD_KEY)):
        (folder / "pki" / f"{name}.crt").write_bytes(pem(certificate))
        (folder / "pki" / f"{name}.key").write_bytes(key.to_pem())
    (folder / "admin.conf").write_text(admin_conf(pem(OLD), OLD_KEY.to_pem()))
    return folder


def item(pki: dict[str, Any], name: str) -> dict[str, Any]:
    held: dict[str, Any] = pki["items"][name]
    return held


# --- what is there


def test_a_folder_and_its_files_by_their_paths_are_read_alike(tmp_path: Path) -> None:
    folder = node(tmp_path)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {f"/etc/kubernetes/{path.relative_to(folder)}": path.read_bytes() for path in paths}
    pki = certs.kubeadm_pki(folder)
    assert pki == certs.kubeadm_pki(str(folder)) == certs.kubeadm_pki(files)
    assert set(pki["items"]) == {"ca", "apiserver", "admin.conf"}
    apiserver = item(pki, "apiserver")
    assert (apiserver["key"], apiserver["certificate"]["readable"]["signedByLocalCa"]) == ("present", True)
    assert item(pki, "admin.conf")["certificate"]["readable"]["kubeconfig"]["trustsCa"] is True


def test_a_certificates_dir_elsewhere_is_read_where_it_is(tmp_path: Path) -> None:
    folder = node(tmp_path)
    (folder / "pki").rename(folder / "certs")
    assert set(certs.kubeadm_pki(folder)["items"]) == {"admin.conf"}
    assert "apiserver" in certs.kubeadm_pki(folder, certificates_dir="/etc/kubernetes/certs")["items"]
    assert "apiserver" in certs.kubeadm_pki(folder, certificates_dir=str(folder / "certs"))["items"]


def test_what_is_no_file_is_missing_and_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    pki = node(tmp_path) / "pki"
    (pki / "front-proxy-ca.crt").mkdir()
    (pki / "front-proxy-client.crt").symlink_to("nowhere")
    os.mkfifo(pki / "apiserver-kubelet-client.crt")
    (pki / "apiserver.key").write_bytes(CA_KEY.to_pem())
    (pki / "ca.key").write_bytes(certs.PrivateKey.generate("Ed25519").to_pem())
    seen = certs.kubeadm_pki(tmp_path)
    assert {"front-proxy-ca", "front-proxy-client"}.isdisjoint(seen["items"])
    pipe = item(seen, "apiserver-kubelet-client")["certificate"]
    assert pipe == {"unreadable": {"reason": "it is no regular file"}}
    assert item(seen, "apiserver")["key"] == "mismatch"
    assert "Ed25519" in item(seen, "ca")["key"]["unreadable"]["reason"]


def test_a_folder_that_is_not_there_is_python_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        certs.kubeadm_pki(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"):
        certs.kubeadm_pki(tmp_path / "file")


def test_what_was_seen_is_plain_json_and_is_taken_again(tmp_path: Path) -> None:
    pki = certs.kubeadm_pki(node(tmp_path))
    again = json.loads(json.dumps(pki))
    assert again == pki
    before = copy.deepcopy(pki)
    shown = [certs.kubeadm_check_expiration(seen, version="1.31", now=NOW) for seen in (pki, again)]
    assert shown[0] == shown[1]
    assert pki == before


# --- forecasts


def test_a_moment_is_a_text_or_a_datetime_with_a_zone() -> None:
    at = datetime.datetime.fromisoformat(NOW)
    made = [certs.kubeadm_init_forecast(CONFIG, version="1.37", now=now) for now in (NOW, at)]
    assert made[0] == made[1]
    with pytest.raises(InvalidInput, match="is no moment: give a datetime with a time zone"):
        certs.kubeadm_init_forecast(CONFIG, version="1.37", now=at.replace(tzinfo=None))


def test_a_configuration_comes_from_a_file_or_the_cluster_or_nowhere(tmp_path: Path) -> None:
    pki = certs.kubeadm_pki(node(tmp_path))
    sources: list[dict[str, Any] | None] = [None, {"defaults": {}}, {"cluster": CONFIG}, {"file": CONFIG}]
    shown = [certs.kubeadm_check_expiration(pki, version="1.31", now=NOW, config=source) for source in sources]
    assert shown[0] == shown[1]
    assert [one["exitCode"] for one in shown] == [0, 0, 0, 0]
    # Only what asks a cluster says so.
    assert [str(one["stdout"]).startswith("[check-expiration] ") for one in shown] == [True, True, True, False]
    with pytest.raises(InvalidInput, match="config cannot be read") as caught:
        certs.kubeadm_check_expiration(pki, version="1.31", now=NOW, config={"file": {"bindPort": "x"}})
    assert caught.value.path == "file.bindPort"


def test_every_format_is_written_but_templates(tmp_path: Path) -> None:
    pki = certs.kubeadm_pki(node(tmp_path))

    def written(output: str | dict[str, str]) -> str | None:
        shown = certs.kubeadm_check_expiration(pki, version="1.37", now=NOW, config={"file": CONFIG}, output=output)
        text: str | None = shown["stdout"]
        return text

    table, text, yaml = written("text"), written("json"), written("yaml")
    assert table is not None
    assert text is not None
    assert yaml is not None
    assert table.startswith("CERTIFICATE ")
    assert json.loads(text)["kind"] == "CertificateExpirationInfo"
    assert "kind: CertificateExpirationInfo" in yaml
    assert written({"other": "kyaml"}) is None
    with pytest.raises(InvalidInput, match="output cannot be read"):
        written("xml")


def test_what_stops_a_command_says_what_to_do(tmp_path: Path) -> None:
    folder = node(tmp_path)
    (folder / "pki" / "ca.crt").write_bytes(b"no PEM")
    stop = certs.kubeadm_check_expiration(certs.kubeadm_pki(folder), version="1.31", now=NOW)["stop"]
    assert (stop["stop"], stop["item"]) == ("certificateUnreadable", "ca")
    assert stop["message"] == "ca: its certificate cannot be read (no certificate in PEM); put the right file there"
    refused = certs.kubeadm_init_forecast(CONFIG | {"nodeName": "Node_A"}, version="1.37", now=NOW)
    assert refused["certs"]["stop"]["message"].startswith("nodeRegistration.name: ")


def test_a_name_a_selection_and_all_choose_what_is_renewed(tmp_path: Path) -> None:
    pki = certs.kubeadm_pki(node(tmp_path))

    def renewed(which: str | dict[str, str]) -> list[str]:
        done = certs.kubeadm_renew_forecast(pki, which=which, version="1.31", now=NOW)
        return [outcome["renewed"]["item"] for outcome in done["outcomes"] if "renewed" in outcome]

    assert renewed("all") == ["admin.conf", "apiserver"]
    assert renewed("apiserver") == renewed({"one": "apiserver"}) == ["apiserver"]
    with pytest.raises(InvalidInput, match='"apisever" is no certificate of kubeadm'):
        renewed("apisever")


def test_new_files_get_what_the_mask_leaves() -> None:
    made = certs.kubeadm_init_phase_forecast("certs", config=CONFIG, which="ca", version="1.37", now=NOW, umask=0o077)
    assert [write["mode"] for write in made["writes"]] == [0o600, 0o600]


def test_a_release_that_nobody_knows_is_refused_everywhere() -> None:
    calls: list[Callable[[], object]] = [
        lambda: certs.kubeadm_spec("ca", version="1.41"),
        lambda: certs.kubeadm_renewable(version="1.41"),
        lambda: certs.kubeadm_rules("1.41"),
        lambda: certs.kubeadm_command([], version="1.41"),
        lambda: certs.kubeadm_config_load({}, version="1.41"),
        lambda: certs.kubeadm_alt_names("ca", config=CONFIG, version="1.41"),
        lambda: certs.kubeadm_check_expiration({"items": {}}, version="1.41", now=NOW),
        lambda: certs.kubeadm_renew_forecast({"items": {}}, version="1.41", now=NOW),
        lambda: certs.kubeadm_init_phase_forecast("certs", config=CONFIG, version="1.41", now=NOW),
        lambda: certs.kubeadm_init_forecast(CONFIG, version="1.41", now=NOW),
    ]
    for call in calls:
        with pytest.raises(trimtab.UnsupportedVersion):
            call()


@given(JSON)
def test_any_json_in_place_of_a_pki_gives_an_answer_or_a_typed_error(data: Any) -> None:
    for held in (data, {"items": data}, {"items": {"ca": data}}):
        wrong = None
        try:
            certs.kubeadm_check_expiration(held, version="1.31", now=NOW)
            certs.kubeadm_renew_forecast(held, version="1.31", now=NOW)
        except InvalidInput as error:
            wrong = error
        assert wrong is None or wrong.path


@given(
    st.binary(), st.sampled_from([path for name in certs.kubeadm_items() for path in certs.kubeadm_item(name)["files"]])
)
def test_any_bytes_in_place_of_a_file_are_read(contents: bytes, path: str) -> None:
    pki = certs.kubeadm_pki({path: contents, "/etc/kubernetes/pki/ca.crt": pem(CA)})
    assert certs.kubeadm_check_expiration(pki, version="1.31", now=NOW)["exitCode"] in (0, 1)


# --- keys and renewal


FORMS: dict[Any, list[Any]] = {
    "RSA-2048": ["pkcs1", "pkcs8"],
    "ECDSA-P256": ["sec1", "pkcs8"],
    "ECDSA-P384": ["sec1", "pkcs8"],
    "ECDSA-P521": ["sec1", "pkcs8"],
    "Ed25519": ["pkcs8"],
}


@pytest.mark.parametrize("algorithm", FORMS)
def test_a_new_key_reads_back_in_every_form_that_it_has(algorithm: Any) -> None:
    key = certs.PrivateKey.generate(algorithm)
    assert (key.algorithm, key.format) == (algorithm, FORMS[algorithm][0])
    for form in FORMS[algorithm]:
        written = key.to_pem(form)
        again = certs.PrivateKey.from_pem(written)
        assert (again, again.format, again.to_pem()) == (key, form, written)
        load_pem_private_key(written, None)
    others: set[Any] = {"pkcs1", "sec1", "pkcs8"}.difference(FORMS[algorithm])
    for form in others:
        with pytest.raises(InvalidInput, match="write it as PKCS#8") as caught:
            key.to_pem(form)
        assert caught.value.error == "keyFormat"


def test_a_key_comes_from_bytes_or_a_path_and_a_text_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(pem(OLD) + OLD_KEY.to_pem())
    assert certs.PrivateKey.from_pem(path) == certs.PrivateKey.from_pem(path.read_bytes()) == OLD_KEY
    body = b"".join(OLD_KEY.to_pem().splitlines()[1:-1])
    assert certs.PrivateKey.from_der(base64.b64decode(body)) == OLD_KEY
    with pytest.raises(TypeError, match="give PEM as bytes") as caught:
        certs.PrivateKey.from_pem(SECRET)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        certs.PrivateKey.from_pem(tmp_path / "nowhere.key")


def test_a_certificate_is_an_object_or_pem_or_der_and_other_blocks_are_passed_over() -> None:
    for certificate in (OLD, OLD.der, pem(OLD), OLD_KEY.to_pem() + pem(OLD) + pem(CA)):
        assert OLD_KEY.matches(certificate)
        assert certs.verify_chain(certificate, ca=CA, at=NOW) == []
    assert not OLD_KEY.matches(CA)
    for wrong in (str(pem(OLD)), Path("apiserver.crt"), None):
        with pytest.raises(TypeError, match="give a Certificate, or PEM or DER as bytes") as caught:
            certs.verify_chain(wrong, ca=CA, at=NOW)  # type: ignore[arg-type]
        assert "BEGIN" not in str(caught.value)


def test_a_renewed_certificate_convinces_another_library_and_keeps_what_it_said() -> None:
    renewed = certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, validity_hours=100, backdate_seconds=60)
    ders = (OLD.der, renewed.certificate_der, CA.der)
    before, after, ca = (x509.load_der_x509_certificate(der) for der in ders)
    after.verify_directly_issued_by(ca)
    assert (after.subject, after.issuer) == (before.subject, before.issuer)
    kept = [extension for extension in before.extensions if extension.oid != x509.SubjectKeyIdentifier.oid]
    assert [extension for extension in after.extensions if extension in kept] == kept
    assert after.serial_number != before.serial_number
    assert (renewed.not_before, renewed.not_after) == ("2026-11-23T05:59:00Z", "2026-11-27T10:00:00Z")
    assert renewed.key != OLD_KEY
    assert load_pem_private_key(renewed.key.to_pem(), None).public_key() == after.public_key()
    assert certs.certificates(renewed.certificate_pem)[0].certificate == renewed.certificate


def test_a_key_is_kept_or_of_another_algorithm_where_that_is_said() -> None:
    assert certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, keep_key=OLD_KEY).key == OLD_KEY
    assert certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, algorithm="ECDSA-P384").key.algorithm == "ECDSA-P384"
    with pytest.raises(InvalidInput, match="algorithm and keep_key are given: give one of them"):
        certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, algorithm="ECDSA-P384", keep_key=OLD_KEY)


def test_a_certificate_that_would_outlive_its_ca_ends_with_it_and_says_so() -> None:
    renewed = certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, validity_hours=200_000)
    note = renewed.notes[0]
    assert (note["note"], note["notAfter"], renewed.not_after) == ("clampedToCa", CA.not_after, CA.not_after)
    assert note["message"].startswith(f"ends with its CA at {CA.not_after}")
    assert json.loads(json.dumps(renewed.to_dict())) == renewed.to_dict()
    assert renewed.to_dict()["keyAlgorithm"] == "ECDSA-P256"


def test_what_an_external_ca_sends_back_is_held_against_the_request() -> None:
    renewed = certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW)
    request = certs.signing_request(OLD, key=renewed.key)
    asked = x509.load_pem_x509_csr(request)
    assert asked.is_signature_valid
    assert asked.subject == x509.load_der_x509_certificate(OLD.der).subject
    for given_request in (request, b"".join(map(base64.b64decode, request.splitlines()[1:-1]))):
        accepted = certs.accept(given_request, renewed.certificate, ca=CA, now=NOW)
        assert (accepted["notAfter"], accepted["effectiveNotAfter"]) == (renewed.not_after, renewed.not_after)
    with pytest.raises(InvalidInput, match="is for another key than the request"):
        certs.accept(request, OLD, ca=CA, now=NOW)
    _, _, other_ca, _ = certs.example_pair(now=MADE)
    with pytest.raises(InvalidInput, match="cannot be used") as caught:
        certs.accept(request, renewed.certificate, ca=other_ca, now=NOW)
    assert "signatureBad" in [problem["problem"] for problem in caught.value.to_dict()["problems"]]


def test_each_problem_of_a_chain_has_its_words() -> None:
    _, _, other_ca, _ = certs.example_pair(now=MADE)
    problems = certs.verify_chain(OLD, ca=other_ca, at="2025-01-01T00:00:00Z")
    assert {problem["problem"] for problem in problems} >= {"signatureBad", "notYetValid", "keyIdentifierDiffers"}
    assert all(problem["message"] for problem in problems)


@given(st.binary())
def test_any_bytes_in_place_of_keys_and_certificates_are_a_typed_error(data: bytes) -> None:
    calls: list[Callable[[], object]] = [
        lambda: certs.PrivateKey.from_pem(data),
        lambda: certs.PrivateKey.from_der(data),
        lambda: certs.renew(data, ca=CA, ca_key=CA_KEY, now=NOW),
        lambda: certs.renew(OLD, ca=data, ca_key=CA_KEY, now=NOW),
        lambda: certs.signing_request(data, key=OLD_KEY),
        lambda: certs.accept(data, OLD, ca=CA, now=NOW),
        lambda: certs.check_signature(data, issuer=CA),
        lambda: certs.verify_chain(OLD, ca=data, at=NOW),
    ]
    for call in calls:
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.error


# --- secrets


def told(value: object) -> list[str]:
    texts = [repr(value), str(value)]
    if isinstance(value, trimtab.TrimtabError):
        texts.append(str(value.to_dict()))
    if hasattr(value, "to_dict"):
        texts.append(str(value.to_dict()))
    return texts


def test_no_key_is_shown_and_none_is_pickled() -> None:
    renewed = certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW)
    hidden = [line.decode() for key in (CA_KEY, renewed.key) for line in key.to_pem().splitlines()[1:-1]]
    assert len(hidden) > 4
    shown = [text for value in (CA_KEY, renewed.key, renewed) for text in told(value)]
    for value in (CA_KEY, renewed):
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(
                TypeError, match=r"cannot pickle a \w+: PrivateKey\(ECDSA-P256, SEC1\) would be"
            ) as caught:
                copied(value)
            shown += told(caught.value)
    with pytest.raises(TypeError) as caught:
        certs.renew(OLD, ca=CA, ca_key=CA_KEY.to_pem(), now=NOW)  # type: ignore[arg-type]
    shown += told(caught.value)
    assert not [text for text in shown for secret in [*hidden, "PRIVATE KEY--"] if secret in text]


def test_a_broken_key_is_not_repeated() -> None:
    lines = OLD_KEY.to_pem().decode().splitlines()
    planted = SECRET.replace("-", "+") + lines[1][14:]
    broken = [
        "\n".join([lines[0], planted, *lines[2:]]),
        "\n".join([*lines[:-1], SECRET]),
        "\n".join([lines[0], f"Proc-Type: 4,ENCRYPTED {SECRET}", "", *lines[1:]]),
        "\n".join([lines[0].replace("EC", "RSA"), *lines[1:-1], lines[-1].replace("EC", "RSA")]),
        f"{lines[0]}\n{SECRET}\n{lines[-1]}",
        f"{lines[0]} {SECRET}",
    ]
    shown = []
    for text in broken:
        with pytest.raises(InvalidInput) as caught:
            certs.PrivateKey.from_pem(text.encode())
        shown += told(caught.value)
        files = {"/etc/kubernetes/pki/ca.key": text.encode(), "/etc/kubernetes/pki/ca.crt": text.encode()}
        shown += told(certs.kubeadm_pki(files)) + told(certs.certificates(text.encode()))
    assert not [text for text in shown for secret in (SECRET, planted, lines[2]) if secret in text]


def test_what_stands_in_a_kubeconfig_is_not_repeated() -> None:
    whole = admin_conf(pem(OLD), OLD_KEY.to_pem())
    key = base64.b64encode(OLD_KEY.to_pem()).decode()
    assert SECRET in whole
    assert key in whole
    variants = [
        whole,
        whole.replace(f"token: {SECRET}", f"token: [{SECRET}"),
        whole.replace(f"token: {SECRET}", f"token: {{{SECRET}: x}}"),
        whole.replace(f"token: {SECRET}", f"token: &{SECRET} x"),
        whole.replace(f"token: {SECRET}", f"token: *{SECRET}"),
        whole.replace(f"token: {SECRET}", f"token: !{SECRET} x"),
        whole.replace("client-key-data: ", "client-key-data: \t- "),
        whole.replace("client-key-data: ", f"client-key-data: {SECRET}, client-key-data: "),
        whole.replace("users:\n", f"users: {SECRET}\n"),
        whole.replace("users:\n", f"users: {key}\n"),
        whole + f"\n{SECRET}\n",
        whole.replace("certificate-authority-data: ", "certificate-authority-data: %"),
        whole.replace("client-certificate-data: ", f"client-certificate-data: {key} #"),
    ]
    for text in variants:
        pki = certs.kubeadm_pki({"/etc/kubernetes/admin.conf": text.encode(), "/etc/kubernetes/pki/ca.crt": pem(CA)})
        shown = told(pki)
        for forecast in (certs.kubeadm_check_expiration, certs.kubeadm_renew_forecast):
            shown += told(forecast(pki, version="1.31", now=NOW))
        assert not [one for one in shown for secret in (SECRET, key, key[:40]) if secret in one], text


# --- threads

LONG = b"-----BEGIN CERTIFICATE-----\n" + b"QUJD" * 8_000_000 + b"\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "call",
    [
        lambda: certs.certificates(LONG),
        lambda: certs.kubeadm_pki({"/etc/kubernetes/pki/ca.crt": LONG}),
        lambda: certs.PrivateKey.from_pem(LONG * 2 + OLD_KEY.to_pem()),
        lambda: certs.PrivateKey.generate("RSA-3072"),
        lambda: certs.renew(OLD, ca=CA, ca_key=CA_KEY, now=NOW, algorithm="RSA-3072"),
    ],
    ids=["certificates", "kubeadm_pki", "from_pem", "generate", "renew"],
)
def test_other_threads_run_while(call: Callable[[], object]) -> None:
    assert others_run_while(call)


def test_many_files_are_judged_together_and_who_signed_whom_is_found_among_them(tmp_path: Path) -> None:
    for name, contents in {"leaf.crt": pem(OLD), "ca.crt": pem(CA), "broken.crt": b"nothing"}.items():
        (tmp_path / name).write_bytes(contents)
    files = [tmp_path / name for name in ("leaf.crt", "broken.crt", "ca.crt")]
    found = certs.file_findings(files, now=OLD.not_after)
    told = [(one.severity, one.finding, Path(one.source).name) for one in found]
    assert told[0] == ("error", "unreadable", "broken.crt")
    assert ("warning", "expiring", "leaf.crt") in told
    assert "no certificate in it" in found[0].message
    assert found == certs.file_findings({str(file): file.read_bytes() for file in files}, now=OLD.not_after)
    assert next(one for one in found if one.finding == "expiring").details["remainingDays"] == 0
    calm = certs.file_findings([files[0], files[2]], now=MADE, authority_expiring_within_days=1)
    assert calm == []
    assert [one.finding for one in certs.file_findings([files[0]], now=MADE, longest_life_days=1)] == ["longLived"]
    with pytest.raises(FileNotFoundError, match="missing"):
        certs.file_findings([tmp_path / "missing.crt"], now=MADE)
