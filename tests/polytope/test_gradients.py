"""Gradients of many samples at once against one region at a time."""

from __future__ import annotations

import numpy as np
import pytest

from exactbox.polytope import exact
from exactbox.polytope.domain import everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.gradients import gradients, lowest_winners, winners_at
from exactbox.polytope.program import NO_CANDIDATE
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.region import region_at
from tests.nets import BATTERY, random_mlp


@pytest.mark.parametrize("name", BATTERY)
def test_gradients_of_samples_are_those_of_their_regions(name: str) -> None:
    program = BATTERY[name]()
    points = exact_numbers(np.random.default_rng(3).integers(-40, 40, (program.input_size, 5)) / 8 + 1 / 64)
    regions = [region_at(program, points[:, i], everything(program.input_size)) for i in range(5)]
    winners = {p: np.stack([r.winners[p] for r in regions], axis=1) for p in program.max_positions}
    found = list(gradients(program, winners, range(program.output_size)))
    assert len(found) == (5 if winners else 1)
    assert all(mine.equals(region.coef) for mine, region in zip(found, regions, strict=False))


def test_some_outputs_in_another_order() -> None:
    program = random_mlp([3, 5, 4], 1)
    region = region_at(program, exact_numbers([0.5, 0.25, -1.0]), everything(3))
    winners = {p: part[:, None] for p, part in region.winners.items()}
    (found,) = gradients(program, winners, [3, 1])
    assert found.equals(region.coef[[3, 1]])


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    program = random_mlp([3, 5, 4], 2)
    vectors = exact.trace(program, exact_numbers(np.random.default_rng(0).standard_normal((3, 7))))
    winners = winners_at(program, vectors)
    whole = list(gradients(program, winners, range(4)))
    monkeypatch.setattr("exactbox.polytope.gradients.ENTRIES", 1)
    parts = list(gradients(program, winners, range(4)))
    assert len(parts) == 7
    assert all(one.equals(other) for one, other in zip(whole, parts, strict=True))


def test_a_maximum_without_winners_is_refused() -> None:
    with pytest.raises(InputError, match="no winners for the Max at instruction 3"):
        next(gradients(random_mlp([2, 3, 1], 0), {}, [0]))


def test_lowest_winner_and_ties() -> None:
    source = exact_numbers([[1, 0], [1, 5], [0, -1]])
    best = exact_numbers([[1, 5], [0, 0]])
    groups = np.array([[0, 1, 2], [-1, 2, NO_CANDIDATE]], dtype=np.int64)
    winners, tied = lowest_winners(source, best, groups)
    assert winners.tolist() == [[0, 1], [0, 0]]
    assert tied.tolist() == [True, False]
