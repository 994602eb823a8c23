"""A stated preprocessing composed in front of a program equals preprocessing by hand, exactly."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.polytope import exact as interpreter
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import exact
from exactbox.preprocessing import in_front, preprocessing
from tests.exactbox_.programs import IMAGE, VECTOR, kink, with_inputs


def composed(program: Program, mean: object, std: object) -> Program:
    steps = preprocessing(program, mean, std)
    assert steps is not None
    return in_front(program, steps)


@pytest.mark.parametrize(("mean", "std"), [("0.1", "1/3"), ("1,-1/2", "2"), (None, [3, Fraction(1, 7)]), (5, None)])
def test_composition_is_exact(mean: object, std: object) -> None:
    program = kink()
    steps = preprocessing(program, mean, std)
    assert steps is not None
    raw = exact([["2/3"], ["-1/9"]])
    columns = zip(raw.fractions(), steps.mean.fractions(), steps.std.fractions(), strict=True)
    by_hand = [(x - m) / s for x, m, s in columns]
    whole = interpreter.forward(in_front(program, steps), raw)
    assert whole.equals(interpreter.forward(program, exact(by_hand).reshape(2, 1)))


def test_nothing_is_composed_without_numbers() -> None:
    assert preprocessing(kink(), None, None) is None


def test_decimals_are_exact() -> None:
    steps = preprocessing(kink(), "0.1", "0.3")
    assert steps is not None
    assert (steps.mean.fractions(), steps.std.fractions()) == ([Fraction(1, 10)] * 2, [Fraction(3, 10)] * 2)
    assert steps.text == "(x - 0.1) / 0.3"


def test_one_number_a_channel() -> None:
    steps = preprocessing(with_inputs(IMAGE), "1,2,3", "0.5")
    assert steps is not None
    assert steps.mean.fractions() == [1] * 4 + [2] * 4 + [3] * 4
    assert steps.text == "(x - [1, 2, 3]) / 0.5"


def test_numbers_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.array([[1.5, 2.5, 0.0]], dtype=np.float32))
    steps = preprocessing(with_inputs(VECTOR), tmp_path / "mean.npy", None)
    assert steps is not None
    assert steps.mean.fractions() == [Fraction(3, 2), Fraction(5, 2), 0]


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ("1,2", None, "mean: got 2 numbers, expected as many as one of: 1, 3"),
        (None, "0", "std: entry 0 is 0, expected a positive number"),
        (None, "1,-2,1", "std: entry 1 is -2, expected a positive number"),
        ("x", None, "expected a file"),
        (float("nan"), None, "finite"),
    ],
)
def test_refused(mean: object, std: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        preprocessing(with_inputs(VECTOR), mean, std)


def test_a_vector_is_no_image_with_channels() -> None:
    with pytest.raises(InputError, match="expected as many as one of: 1, 6"):
        preprocessing(with_inputs(Port("x", (1, 6))), [1, 2, 3], None)


def test_several_inputs_take_one_number_or_all() -> None:
    program = with_inputs(VECTOR, Port("z", (2,)))
    steps = preprocessing(program, [1, 2, 3, 4, 5], 2)
    assert steps is not None
    assert steps.mean.equals(exact([1, 2, 3, 4, 5]))
    assert steps.std.equals(exact([2] * 5))


def test_program_keeps_its_rim_and_names() -> None:
    whole = composed(kink(), 1, 2)
    assert (whole.inputs, whole.output) == (kink().inputs, kink().output)
    assert len(whole.instructions) == len(kink().instructions) + 2
