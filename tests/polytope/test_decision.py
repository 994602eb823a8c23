"""Decisions at a point: rules, ties, margins."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import pytest

from exactbox.polytope.decision import decide
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact as read


@pytest.mark.parametrize(
    ("rule", "values", "tie", "chosen", "margin", "ties"),
    [
        ("argmax", ["1", "3", "2"], "first", 1, Fraction(1), ()),
        ("argmax", ["3", "3", "2"], "first", 0, Fraction(0), (1,)),
        ("argmax", ["3", "3", "2"], "last", 1, Fraction(0), (0,)),
        ("argmin", ["1", "3", "1"], "first", 0, Fraction(0), (2,)),
        ("argmin", ["1", "1/3", "2"], "first", 1, Fraction(2, 3), ()),
        ("argmax", ["1", "1.0000000000000000000000001", "0"], "first", 1, Fraction(1, 10**25), ()),
    ],
)
def test_extrema(
    rule: Literal["argmax", "argmin"],
    values: list[str],
    tie: Literal["first", "last"],
    chosen: int,
    margin: Fraction,
    ties: tuple[int, ...],
) -> None:
    found = decide(rule, range(3), read(values), tie)
    assert (found.chosen, found.margin, found.ties) == (chosen, margin, ties)


@pytest.mark.parametrize(("value", "positive", "ties"), [("1/7", True, ()), ("-1/7", False, ()), ("0", False, (1,))])
def test_the_sign_of_one_logit(value: str, positive: bool, ties: tuple[int, ...]) -> None:
    found = decide("sign", [1], read(["5", value]))
    assert (found.positive, found.ties, found.margin) == (positive, ties, abs(Fraction(value)))


def test_only_the_outputs_compared_count() -> None:
    assert decide("argmax", [2, 0], read(["1", "9", "4"])).chosen == 2
    assert decide("argmax", [2], read(["1", "9", "4"])).margin is None


@pytest.mark.parametrize(("rule", "outputs"), [("argmax", []), ("sign", [0, 1])])
def test_misuse_is_refused(rule: Literal["argmax", "sign"], outputs: list[int]) -> None:
    with pytest.raises(InputError, match="decision"):
        decide(rule, outputs, read([1, 2]))
