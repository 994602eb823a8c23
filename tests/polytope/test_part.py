"""One sample of a batch: the same function of it, whatever the others hold; refused where they are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exactbox.polytope import exact
from exactbox.polytope.errors import InputError
from exactbox.polytope.part import one_of_batch
from exactbox.polytope.program import Add, Gather, Input, MatMul, Max, Port, Program, Provenance, Scale, Shift
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.simplify import simplify

BATCH, WIDTH = 4, 3


def points(seed: int, *shape: int) -> Rationals:
    return exact_numbers(np.random.default_rng(seed).integers(-5, 6, shape))


def net(seed: int, *, mixing: bool = False, batch: int = BATCH) -> Program:
    """A residual net on a batch of vectors: rows share weights, offsets differ by sample."""
    size = batch * WIDTH
    index = np.arange(size)
    index[::WIDTH] += size  # the first entry of each sample skips the net
    if mixing:
        index[1] = WIDTH + 1
    steps = (
        Input(size),
        MatMul(0, points(seed, 1, WIDTH, WIDTH), batch),
        Shift(1, points(seed + 1, size)),
        Max(2, np.stack([np.arange(size), np.full(size, -1)], axis=1)),
        Add(0, 3),
        Scale(4, points(seed + 2, size)),
        Gather((5, 0), index),
    )
    return Program((Port("x", (batch, WIDTH)),), steps, Port("y", (batch, WIDTH)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_values_are_those_of_row_0_whatever_the_others_hold(seed: int, batch: int) -> None:
    whole = net(seed, batch=batch)
    one = one_of_batch(whole, ["x"])
    assert (one.inputs[0].shape, one.output.shape) == ((1, WIDTH), (1, WIDTH))
    given = points(seed + 3, batch * WIDTH, 6)
    expected = exact.forward(whole, given)[:WIDTH]
    for program in (one, simplify(one)):
        assert exact.forward(program, given[:WIDTH]).equals(expected)


def test_groups_of_a_product(seed: int = 3) -> None:
    """A matrix of its own for each sample is kept for the first alone."""
    steps = (Input(BATCH * WIDTH), MatMul(0, points(seed, BATCH, 2, WIDTH), 1))
    whole = Program((Port("x", (BATCH, WIDTH)),), steps, Port("y", (BATCH, 2)))
    given = points(seed, BATCH * WIDTH, 4)
    one = one_of_batch(whole, ["x"])
    assert exact.forward(one, given[:WIDTH]).equals(exact.forward(whole, given)[:2])
    assert [step.weight.shape for step in one.instructions if isinstance(step, MatMul)] == [(1, 2, WIDTH)]


def test_a_second_input_is_kept_whole() -> None:
    size = BATCH * WIDTH
    steps = (Input(size + 1), Gather((0,), np.arange(size)), Gather((0,), np.full(size, size)), Add(1, 2))
    ports = (Port("x", (BATCH, WIDTH)), Port("t", (1,)))
    whole = Program(ports, steps, Port("y", (BATCH, WIDTH)))
    one = one_of_batch(whole, ["x"])
    assert [port.size for port in one.inputs] == [WIDTH, 1]
    given = points(1, size + 1, 3)
    part = Rationals(np.concatenate([given.num[:WIDTH], given.num[-1:]]), given.den)
    assert exact.forward(one, part).equals(exact.forward(whole, given)[:WIDTH])


def test_what_reads_another_sample_is_refused() -> None:
    with pytest.raises(InputError, match=r"output 'y' of the first sample reads x\[1,[0-2]\], which is another's"):
        one_of_batch(net(0, mixing=True), ["x"])
    other = replace(net(0), output=Port("y", (WIDTH, BATCH)))
    with pytest.raises(InputError, match=r"first axis of output 'y' \[3, 4\] does not count the same samples"):
        one_of_batch(other, ["x"])


def test_units_keep_their_names() -> None:
    whole = net(0)
    origins = tuple(Provenance(f"n{i}", (BATCH, WIDTH)) for i in range(len(whole.instructions)))
    one = simplify(one_of_batch(replace(whole, provenance=origins), ["x"]))
    (position,) = one.max_positions
    assert [one.unit_name(position, i) for i in range(WIDTH)] == ["n3[0]", "n3[1]", "n3[2]"]
