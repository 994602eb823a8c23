"""Programs check themselves when built, and name their vectors' origin."""

from __future__ import annotations

import numpy as np
import pytest

from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import Pattern, check_pattern
from exactbox.polytope.program import (
    Add,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Provenance,
    Scale,
    Shift,
    sources,
    with_sources,
)
from exactbox.polytope.rational import exact, zeros
from tests.nets import BATTERY, mlp


def index(*values: object) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


BAD: dict[str, tuple[Instruction, str]] = {
    "second input": (Input(2), "only instruction 0"),
    "later vector": (Shift(1, zeros(2)), "reads vector 1"),
    "negative vector": (Shift(-1, zeros(2)), "reads vector -1"),
    "gather past the end": (Gather((0,), index(2)), "do not fit 2"),
    "gather below the constant": (Gather((0,), index(-2)), "do not fit 2"),
    "gather index of two axes": (Gather((0,), index([0])), "1 axis"),
    "gather index of floats": (Gather((0,), np.array([0.0])), "int64"),
    "scale of another size": (Scale(0, zeros(3)), "expected 2 constants"),
    "shift of another size": (Shift(0, zeros(1)), "expected 2 constants"),
    "weight of two axes": (MatMul(0, zeros(2, 2), 1), "shape (g, m, k)"),
    "weight of another width": (MatMul(0, zeros(1, 2, 3), 1), "entries"),
    "empty group": (Max(0, index([-2, -2])), "needs a candidate"),
    "padding first": (Max(0, index([0, -2, 1])), "must follow"),
    "candidate twice": (Max(0, index([1, 1])), "twice"),
    "candidate past the end": (Max(0, index([0, 2])), "do not fit 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_instruction_is_refused_with_its_position(name: str) -> None:
    instruction, message = BAD[name]
    with pytest.raises(InputError) as caught:
        Program((Port("x", (2,)),), (Input(2), instruction), Port("y", (2,)))
    assert "instruction 1" in str(caught.value) and message in str(caught.value)


def test_sizes_of_unequal_summands_are_refused() -> None:
    code = (Input(2), Gather((0,), index(0)), Add(0, 1))
    with pytest.raises(InputError, match="one size, got 2 and 1"):
        Program((Port("x", (2,)),), code, Port("y", (2,)))


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [((Port("x", (3,)),), Port("y", (2,)), "inputs hold 3"), ((Port("x", (2,)),), Port("y", (3,)), "output's shape")],
)
def test_ports_must_fit_the_vectors(inputs: tuple[Port, ...], output: Port, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Program(inputs, (Input(2),), output)


def test_a_program_needs_an_input_first() -> None:
    with pytest.raises(InputError, match="Input as instruction 0"):
        Program((), (), Port("y", (0,)))


@pytest.mark.parametrize("name", BATTERY)
def test_renaming_sources_keeps_everything_else(name: str) -> None:
    for instruction in BATTERY[name]().instructions:
        moved = with_sources(instruction, lambda src: src + 5)
        assert type(moved) is type(instruction)
        assert sources(moved) == tuple(src + 5 for src in sources(instruction))
        assert with_sources(instruction, lambda src: src) is instruction


def test_units_are_named_after_their_node_and_index() -> None:
    assert Provenance("conv", (1, 2, 3, 4)).unit(23) == "conv[1,2,3]"
    assert Provenance("fc", (1, 5)).unit(4) == "fc[4]"
    assert Provenance("fc", (5,)).unit(4) == "fc[4]"
    assert Provenance("scalar", ()).unit(0) == "scalar"
    program = mlp([([[1, 2]], [0])])
    assert program.input_name(1) == "x[1]"
    with pytest.raises(InputError):
        program.input_name(2)


@pytest.mark.parametrize(
    ("winners", "message"),
    [([], "1 parts"), ([index(0)], "groups"), ([index(0, 2, 0)], "outside"), ([index(0, -1, 0)], "outside")],
)
def test_a_pattern_that_does_not_fit_is_refused(winners: list[np.ndarray], message: str) -> None:
    program = BATTERY["scaled"]()
    with pytest.raises(InputError, match=message):
        check_pattern(program, Pattern(tuple(winners)))
    check_pattern(program, Pattern((index(0, 1, 1),)))


def test_patterns_compare_by_value_and_list_their_differences() -> None:
    one, two = Pattern((index(0, 1), index(1))), Pattern((index(0, 1), index(1)))
    other = Pattern((index(1, 1), index(0)))
    assert one == two and hash(one) == hash(two) and one != other
    assert one.differences(other) == [(0, 0), (1, 0)]
    assert one.differences(two) == []


def test_a_constant_entry_of_a_gather_is_zero_and_arrays_are_frozen() -> None:
    gather = Gather((0,), index(1, -1))
    Program((Port("x", (2,)),), (Input(2), gather), Port("y", (2,)))
    with pytest.raises(ValueError, match="read-only"):
        gather.index[0] = 0
    constants = exact([1, 2])
    with pytest.raises(ValueError, match="read-only"):
        constants.num[0] = 5
