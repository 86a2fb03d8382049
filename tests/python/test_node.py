"""`trimtab.node`: how Python objects get in and out. The numbers themselves are checked by the vectors."""

from __future__ import annotations

import copy
from collections import OrderedDict, UserDict
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab import FeatureGateError, InvalidInput, Quantity, node
from turns import others_run_while

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "containers": [
            {"name": "app", "image": "nginx", "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}}},
            {"name": "log", "image": "fluentd", "resources": {"requests": {"memory": "1Gi"}}},
        ]
    },
}


def test_any_mapping_and_any_sequence_of_json_is_a_manifest() -> None:
    wanted = node.oom_score_adj(POD, "log", memory_capacity="16Gi", version="1.34")
    spec = OrderedDict(POD["spec"], containers=tuple(POD["spec"]["containers"]))
    for pod in (UserDict(POD), MappingProxyType(POD), POD | {"spec": spec}):
        assert node.oom_score_adj(pod, "log", memory_capacity="16Gi", version="1.34") == wanted == 938


def test_quantities_stand_in_a_manifest_as_objects_numbers_or_texts() -> None:
    for memory in (2**30, "1Gi", Quantity("1Gi"), float(2**30)):
        pod = {"spec": {"containers": [{"name": "a", "resources": {"requests": {"memory": memory}}}]}}
        assert node.oom_score_adj(pod, "a", memory_capacity="16Gi", version="1.34") == 938


def test_amounts_are_bytes_texts_or_quantities() -> None:
    for memory in (16 << 30, "16Gi", "17179869184", Quantity("16Gi")):
        assert node.oom_burstable("1Gi", memory_capacity=memory, version="1.34") == 938
    for wrong in (1.5, None, True, b"1"):
        with pytest.raises(TypeError, match="memory_capacity"):
            node.oom_burstable("1Gi", memory_capacity=wrong, version="1.34")  # type: ignore[arg-type]


def test_a_manifest_is_read_and_never_changed() -> None:
    before = copy.deepcopy(POD)
    stored = node.default_manifest(POD, version="1.34")
    node.set_defaults(POD, version="1.34")
    node.oom_score_adjs(POD, memory_capacity="16Gi", version="1.34", form="written")
    assert before == POD
    assert stored != POD


def test_a_defaulted_manifest_keeps_what_no_formula_reads() -> None:
    stored = node.default_manifest(POD, version="1.34")
    assert stored["metadata"] == POD["metadata"]
    assert [container["image"] for container in stored["spec"]["containers"]] == ["nginx", "fluentd"]
    assert stored["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "4Gi"}


def test_a_written_manifest_gives_what_its_stored_form_gives() -> None:
    stored = node.default_manifest(POD, version="1.34")
    for version in ("1.20", "1.34", "1.37"):
        written = node.oom_score_adjs(POD, memory_capacity="16Gi", version=version, form="written")
        assert written == node.oom_score_adjs(stored, memory_capacity="16Gi", version=version)
    assert [line.oom_score_adj for line in written] == [750, 938]


def test_feature_gates_come_as_a_dict_or_as_the_text_of_the_flag() -> None:
    pod = {"spec": {"containers": [{"name": "a"}], "resources": {"requests": {"cpu": 1}}}}
    for gates in ({"PodLevelResources": True}, "PodLevelResources=true"):
        assert node.compute_qos(pod, version="1.33", feature_gates=gates) == "Burstable"
    assert node.compute_qos(pod, version="1.33", feature_gates={}) == "BestEffort"
    with pytest.raises(FeatureGateError) as caught:
        node.compute_qos(pod, version="1.33", feature_gates={"PodLevelResource": True})
    assert (caught.value.name, caught.value.to_dict()["didYouMean"]) == ("PodLevelResource", "PodLevelResources")


def test_many_pods_are_what_each_is_alone_and_the_place_of_a_wrong_one_is_named() -> None:
    alone = node.oom_score_adjs(POD, memory_capacity="16Gi", version="1.34")
    many = node.oom_score_adjs_many([POD] * 1000, memory_capacity="16Gi", version="1.34")
    assert many == [alone] * 1000
    with pytest.raises(InvalidInput) as caught:
        node.oom_score_adjs_many([POD, {"spec": {"nodeName": 5}}], memory_capacity="16Gi", version="1.34")
    assert caught.value.path == "[1].spec.nodeName"


@pytest.mark.parametrize(
    ("pod", "path"),
    [
        (
            {"spec": {"containers": [{"resources": {"requests": {"cpu": "1 core"}}}]}},
            "spec.containers[0].resources.requests.cpu",
        ),
        ({"spec": {"containers": {}}}, "spec.containers"),
        ({"spec": {"priority": 2**40}}, "spec.priority"),
        ({"spec": {"priority": 2**70}}, "spec.priority"),
        ({"metadata": {1: 2}}, "metadata.?"),
        ({"metadata": {"name": "\ud800"}}, "metadata.name"),
        ({"metadata": {"name": object()}}, "metadata.name"),
        ({"kind": "Deployment"}, "kind"),
        ([], "."),
        ("pod", "."),
        (None, "."),
    ],
)
def test_what_is_no_pod_is_refused_with_its_path(pod: Any, path: str) -> None:
    with pytest.raises(InvalidInput, match="the pod cannot be read") as caught:
        node.pod_qos(pod, version="1.34")
    assert caught.value.path == path


def test_a_manifest_that_contains_itself_is_refused_where_it_is_read() -> None:
    endless: dict[str, Any] = {"metadata": {"name": "web"}}
    endless["spec"] = {"x-unknown": endless}
    assert node.pod_qos(endless, version="1.34") == "BestEffort"
    with pytest.raises(InvalidInput, match="nested deeper than 128 levels"):
        node.default_manifest(endless, version="1.34")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
PODS = st.fixed_dictionaries(
    {"spec": st.fixed_dictionaries({"containers": st.lists(st.fixed_dictionaries({"name": JSON, "resources": JSON}))})},
    optional={"kind": JSON, "metadata": JSON, "status": JSON},
)


@given(PODS | JSON)
def test_any_object_is_a_pod_or_a_typed_error(pod: Any) -> None:
    with suppress(InvalidInput):
        node.oom_score_adjs(pod, memory_capacity="16Gi", version="1.34", form="written")
    with suppress(InvalidInput):
        node.default_manifest(pod, version="1.37")


def test_who_cannot_be_killed_has_no_points_and_no_place() -> None:
    assert node.oom_badness(-1000, rss_pages=10**6, total_pages=10**6, kernel=(6, 12)) is None
    candidates = [
        node.Candidate("never", oom_score_adj=-1000, memory="8Gi"),
        node.Candidate("web", oom_score_adj=0, memory=1),
    ]
    victims = node.kill_order(candidates, domain=node.OomDomain.node("16Gi", swap="1Gi"), kernel=(6, 12))
    assert [victim.name for victim in victims] == ["web"]
    assert victims[0].candidate == candidates[1]


def test_privileged_processes_were_let_off_before_4_17() -> None:
    def points(kernel: tuple[int, int]) -> int | None:
        return node.oom_badness(
            0, rss_pages=100, swap_pages=20, page_table_pages=3, total_pages=5000, kernel=kernel, privilege="sysAdmin"
        )

    assert [points((4, 16)), points((4, 17))] == [120, 123]


def test_other_threads_run_while_many_pods_are_computed() -> None:
    assert others_run_while(lambda: node.oom_score_adjs_many([POD] * 20_000, memory_capacity="16Gi", version="1.34"))
