"""`trimtab.sched`: how numbers get in and out. The numbers themselves are checked by the vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, sched

INT32 = st.integers(-(2**31), 2**31 - 1)
VERSIONS = st.integers(12, 37).map(lambda minor: f"1.{minor}")


@given(INT32, INT32, st.none() | INT32, VERSIONS)
def test_any_numbers_give_an_answer(nodes: int, whole: int, profile: int | None, version: str) -> None:
    percentage = sched.PercentageOfNodesToScore(global_percentage=whole, profile_percentage=profile)
    found = sched.num_feasible_nodes_to_find(nodes, version=version, percentage=percentage)
    assert found == nodes or found >= 100


@given(st.integers(0, 10**6), VERSIONS)
def test_a_silent_configuration_means_the_default_of_its_release(nodes: int, version: str) -> None:
    held = sched.SampleRules.at(version).global_from_config(None)
    silent = sched.num_feasible_nodes_to_find(nodes, version=version)
    assert silent == sched.num_feasible_nodes_to_find(nodes, version=version, percentage=held)


def test_numbers_beyond_32_bits_are_refused() -> None:
    with pytest.raises(OverflowError):
        sched.num_feasible_nodes_to_find(2**31, version="1.34")
    with pytest.raises(OverflowError):
        sched.next_start_node_index(-1, processed=0, num_all_nodes=1, version="1.34")


def test_the_field_of_a_wrong_percentage_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        sched.PercentageOfNodesToScore(global_percentage=101).validated(version="1.34")
    assert caught.value.to_dict() == {
        "error": "percentageOutOfRange",
        "field": "percentageOfNodesToScore",
        "value": 101,
    }


def test_rules_tell_what_differs_between_releases() -> None:
    old, new = sched.SampleRules.at("1.12"), sched.SampleRules.at("1.37")
    assert (old.profile_field, old.validation, old.rotation) == ("Unknown", "AnyNumber", "NodeTree")
    assert (new.profile_field, new.validation, new.rotation) == ("Overrides", "GlobalAndProfiles", "ModuloAllNodes")
    assert (old.config_zero_becomes, old.default_percentage_of_nodes_to_score) == (50, 50)
