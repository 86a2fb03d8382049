"""`trimtab.net`: how parameters, nodes and ConfigMaps get in and out. The vectors check the replicas themselves."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, net

READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dns-autoscaler"}, "data": data}


def test_a_config_map_gives_the_mode_that_it_names() -> None:
    mode = net.Mode.from_config_map(config_map(ladder='{"nodesToReplicas": [[2, 2], [1, 1]]}'))
    assert mode.control_mode == "ladder"
    assert isinstance(mode.params, net.Ladder)
    assert mode.params.nodes_to_replicas == [(1, 1), (2, 2)]
    assert mode.to_dict()["ladder"]["nodesToReplicas"] == [[1, 1], [2, 2]]
    linear = net.Mode.parse("linear", '{"coresPerReplica": 0.1}').params
    assert linear == net.LinearParams(cores_per_replica=0.1)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"kind": "Secret"}, "notAConfigMap"),
        ([], "notAConfigMap"),
        (config_map(), "expectedOneEntry"),
        (config_map(linear="{}", ladder="{}"), "expectedOneEntry"),
        (config_map(Linear="{}"), "unsupportedMode"),
        ({"data": {"linear": {"coresPerReplica": 2}}}, "dataIsNoText"),
        (config_map(linear='{"coresPerReplica": 2,}'), "invalidJson"),
        (config_map(linear='{"coresPerReplica": "2"}'), "wrongKind"),
        (config_map(linear='{"coresPerReplica": 1, "min": 2, "max": 1}'), "maxBelowMin"),
        (config_map(linear='{"coresPerReplicas": 1}'), "noRatio"),
        (config_map(ladder='{"coresToReplicas": [[1, -1]]}'), "negativeEntry"),
    ],
)
def test_what_no_autoscaler_accepts_is_refused(wrong: Any, kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        net.Mode.from_config_map(wrong)
    assert caught.value.error == kind


def test_nodes_are_counted_as_the_autoscaler_does() -> None:
    node = {"kind": "Node", "status": {"allocatable": {"cpu": "1930m"}, **READY}}
    lost = {"kind": "Node", "status": {"allocatable": {"cpu": "4"}}}
    assert net.ClusterSize.from_nodes([node, node, lost]) == net.ClusterSize(
        schedulable_cores=4, schedulable_nodes=2, total_cores=8, total_nodes=3
    )
    with pytest.raises(InvalidInput) as caught:
        net.ClusterSize.from_nodes([node, {"kind": "Pod"}])
    assert caught.value.path == "[1].kind"


def test_what_a_dump_holds_beside_its_items_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the list of nodes cannot be read"):
        net.ClusterSize.from_nodes({"kind": "List", "items": []})  # type: ignore[arg-type]


# Beyond 2^62 a bound, which upstream takes for a float, may come out as 2^63 and wraps: the next test.
BOUND = st.integers(-(2**62), 2**62)


@given(st.floats(), st.floats(), BOUND, BOUND)
def test_any_numbers_are_parameters_or_invalid_input(cores: float, nodes: float, least: int, most: int) -> None:
    try:
        params = net.LinearParams(cores_per_replica=cores, nodes_per_replica=nodes, min=least, max=most)
    except InvalidInput:
        return
    assert params.replicas(cores=10, nodes=2) >= min(params.min, params.max or params.min, 1)


def test_a_bound_that_rounds_to_2_to_the_63_wraps_as_upstream() -> None:
    params = net.LinearParams(cores_per_replica=1.0, nodes_per_replica=1.0, min=2**63 - 512, max=0)
    assert params.replicas(cores=10, nodes=2) == -(2**63)


@given(st.text())
def test_any_text_is_parameters_or_invalid_input(text: str) -> None:
    for kind in (net.LinearParams, net.LadderParams):
        with suppress(InvalidInput):
            kind.parse(text)


def test_a_dimension_is_cores_or_nodes() -> None:
    params = net.LinearParams(cores_per_replica=2)
    assert (params.replicas_for("cores", 3), params.replicas_for("nodes", 3)) == (2, 1)
    with pytest.raises(InvalidInput, match="among cores and nodes"):
        params.replicas_for("pods", 3)  # type: ignore[arg-type]
