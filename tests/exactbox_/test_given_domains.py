"""Enumerations and certificates in domains that repeat half-spaces and hide equations in rows and bounds."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from exactbox.polytope.domain import Domain
from exactbox.polytope.domain_rows import domain_from_rows
from tests.exactbox_.enumerated import enumerated
from tests.nets import random_mlp
from tests.verify.tree_cases import certified


def repeated(seed: int) -> Domain:
    """Return a polytope of R^3 around a point whose rows repeat each other, bounds, and turned rows of theirs."""
    rng = random.Random(seed)
    point = [Fraction(rng.randint(-2, 2), 4) for _ in range(3)]
    lower = [x - rng.choice([0, 1, 2]) for x in point]
    upper = [x + rng.choice([1, 1, 2]) for x in point]
    rows = [[rng.randint(-2, 2) for _ in range(3)] for _ in range(4)]
    rows += [[0, 0, 1], [-1, 0, 0], [2 * v for v in rows[0]], [-v for v in rows[1]], [3 * v for v in rows[1]]]
    at = [sum((a * x for a, x in zip(row, point, strict=True)), Fraction(0)) for row in rows]
    slack: list[Fraction | int] = [rng.choice([0, 1]), 0, 1, 1, upper[2] - point[2], point[0] - lower[0], 0, 0, 0]
    return domain_from_rows(lower, upper, rows, [value + free for value, free in zip(at, slack, strict=True)])


@pytest.mark.parametrize("seed", range(8))
def test_facets_are_those_of_each_region_and_the_certificate_is_accepted(seed: int) -> None:
    program, domain = random_mlp([3, 4, 1], seed), repeated(seed)
    found = enumerated(program, domain, neighbors=True)
    assert found.facet_counts == tuple(len(region.facets.facets) for region in found)
    tree = certified(program, domain)
    assert tree.outcome().code == 0, tree.outcome().reason
    assert tree.head["statement"]["regions"] == len(found)


def test_a_bound_given_twice_is_one_facet() -> None:
    """A unit cuts a corner off the square: a triangle and a pentagon."""
    square = domain_from_rows([0, 0], [1, 1], [[1, 0], [2, 0], [0, -3]], [1, 2, 0])
    found = enumerated(random_mlp([2, 1, 1], 0), square, neighbors=True)
    assert sorted(found.facet_counts) == [3, 5]
