"""`trimtab.Quantity`: what is peculiar to Python. The arithmetic itself is checked by the vectors."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, Quantity

# What a person could write, and beyond.
TEXTS = st.from_regex(r"[+-]?[0-9]{0,25}(\.[0-9]{0,12})?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?", fullmatch=True)


def quantity_or_none(text: str) -> Quantity | None:
    try:
        return Quantity(text)
    except InvalidInput:
        return None


@given(st.integers())
def test_any_integer_is_itself(number: int) -> None:
    if abs(number) < 2**63:
        assert Quantity(number).value() == number
    assert Quantity(number) == Quantity(str(number))
    assert Quantity(number) - number == Quantity(0)


@given(st.text())
def test_any_text_is_a_quantity_or_invalid_input(text: str) -> None:
    quantity_or_none(text)


@given(st.text(st.characters(categories=["Cs"])) | TEXTS.map(lambda text: text + "\ud800"))
def test_lone_surrogates_are_invalid_input(text: str) -> None:
    if text:
        with pytest.raises(InvalidInput):
            Quantity(text)


@given(TEXTS)
def test_what_is_pickled_is_equal_afterwards(text: str) -> None:
    if (quantity := quantity_or_none(text)) is not None:
        assert pickle.loads(pickle.dumps(quantity)) == quantity


@given(TEXTS, TEXTS)
def test_order_equality_and_hash_agree(one: str, other: str) -> None:
    a, b = quantity_or_none(one), quantity_or_none(other)
    if a is not None and b is not None:
        assert [a < b, a == b, a > b].count(True) == 1
        assert (a <= b, a >= b, a != b) == (not a > b, not a < b, [a] != [b])
        assert a != b or hash(a) == hash(b)


@given(TEXTS, TEXTS)
def test_a_sum_less_a_part_is_the_other_part(one: str, other: str) -> None:
    a, b = quantity_or_none(one), quantity_or_none(other)
    if a is not None and b is not None:
        assert a + b - b == a


@given(TEXTS)
def test_every_answer_comes_without_a_crash(text: str) -> None:
    if (quantity := quantity_or_none(text)) is not None:
        assert quantity.sign == (quantity > Quantity(0)) - (quantity < Quantity(0))
        assert bool(quantity) is not quantity.is_zero
        assert isinstance(quantity.value(), int)
        assert isinstance(quantity.milli_value(), int)
        assert isinstance(float(quantity), float)
        assert quantity.round_up(0)[0] - quantity <= Quantity(1)
        assert (-quantity).sign == -quantity.sign or quantity.value() == -(2**63)


def test_numbers_of_any_size_are_read_or_refused() -> None:
    assert str(Quantity(2**64)) == "18446744073709551616"
    assert Quantity(10**999) > Quantity(10**998)
    for number in (10**4097, 10**5000):
        with pytest.raises(InvalidInput, match="digits is beyond the 4096"):
            Quantity(number)


def test_floats_booleans_and_nothing_are_no_quantities() -> None:
    for wrong in (1.5, True, None, b"1", [], {}):
        with pytest.raises(TypeError):
            Quantity(wrong)  # type: ignore[arg-type]


def test_sums_take_whole_numbers_and_nothing_else() -> None:
    assert sum([Quantity("1Gi"), Quantity("512Mi")]) == Quantity("1536Mi")
    assert 1 - Quantity("500m") == Quantity("500m")
    assert 3 * Quantity("100m") == Quantity("300m") == Quantity("100m") * 3
    for wrong in ("1", 1.5, None):
        with pytest.raises(TypeError):
            Quantity(1) + wrong  # type: ignore[operator]


def test_a_quantity_equals_quantities_only() -> None:
    assert Quantity(1) != 1
    assert Quantity("1") != "1"
    with pytest.raises(TypeError):
        assert Quantity(1) < 2  # type: ignore[operator]


def test_a_quantity_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Quantity(1).format = "BinarySI"  # type: ignore[misc]
    amount = Quantity("1Gi")
    before = hash(amount)
    amount += Quantity(1)
    assert hash(Quantity("1Gi")) == before
    assert amount == Quantity(2**30 + 1)


def test_a_number_that_upstream_prints_wrong_survives_a_pickle() -> None:
    quantity = Quantity("1000E")
    assert str(quantity) == "1"
    assert pickle.loads(pickle.dumps(quantity)) == quantity != Quantity(1)


def test_a_spelling_survives_a_pickle() -> None:
    assert str(pickle.loads(pickle.dumps(Quantity("007.500")))) == "007.500"


def test_a_scale_beyond_what_is_read_is_invalid_input() -> None:
    for scale in (4097, -4097, 2**31 - 1):
        with pytest.raises(InvalidInput, match="beyond the exponents"):
            Quantity(1).scaled_value(scale)
    with pytest.raises(OverflowError):
        Quantity(1).scaled_value(2**31)


def test_an_infinite_quantity_is_an_infinite_float() -> None:
    assert math.isinf(float(Quantity("1e400")))
