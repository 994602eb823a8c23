"""How an input is read for a program: names, shapes, rows, rounding."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.inputs import InputRead, fits, read_inputs, split_specs
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port
from exactbox.polytope.rational import exact
from exactbox.sources import Given
from tests.exactbox_.programs import IMAGE, VECTOR, with_inputs

TWO = with_inputs(Port("left", (1, 2)), Port("right", (3,), "float64"))


def values(read: InputRead) -> list[Fraction]:
    return read.point.fractions()


@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (3, 2, 2), (12,), (1, 12)])
def test_accepted_shapes_keep_the_order(shape: tuple[int, ...]) -> None:
    read = read_inputs(with_inputs(IMAGE), np.arange(12, dtype=np.float32).reshape(shape))
    assert values(read) == list(range(12))


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 2, 2, 3), (3, 4), (12, 1), (3, 1, 2, 2), (11,), (1, 1, 3, 2, 2, 1)])
def test_refused_shapes_are_never_reshaped(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"input 'image' expects shape \[1, 3, 2, 2\], got .*axes are never swapped"):
        read_inputs(with_inputs(IMAGE), np.zeros(shape))


def test_swapped_axes_are_named() -> None:
    with pytest.raises(InputError, match="the axes look swapped: transpose"):
        read_inputs(with_inputs(IMAGE), np.zeros((2, 2, 3)))


@pytest.mark.parametrize("shape", [(5, 3, 2, 2), (5, 1, 3, 2, 2), (5, 12)])
def test_a_batch_needs_a_row(shape: tuple[int, ...]) -> None:
    batch = np.arange(60, dtype=np.float32).reshape(shape)
    with pytest.raises(InputError, match=r"holds 5 samples; choose one with row=I"):
        read_inputs(with_inputs(IMAGE), batch)
    assert values(read_inputs(with_inputs(IMAGE), batch, row=3)) == list(range(36, 48))
    with pytest.raises(InputError, match="row 5 does not exist"):
        read_inputs(with_inputs(IMAGE), batch, row=5)


def test_a_batch_of_one_needs_no_row() -> None:
    assert values(read_inputs(with_inputs(VECTOR), [[1, 2, 3]])) == [1, 2, 3]
    assert values(read_inputs(with_inputs(IMAGE), np.ones((1, 12)))) == [1] * 12


def test_floats_are_rounded_to_the_type_and_counted() -> None:
    read = read_inputs(with_inputs(VECTOR), np.array([0.1, 0.5, 0.3]))
    assert read.changed == 2
    assert read.point.equals(exact(np.array([0.1, 0.5, 0.3], dtype=np.float32)))
    assert read.rounding == "2 of 3 values were rounded to float32, as a runtime would receive them"


def test_values_of_the_type_are_not_counted() -> None:
    read = read_inputs(with_inputs(VECTOR), np.array([0.1, 0.5, 0.3], dtype=np.float32))
    assert (read.changed, read.rounding) == (0, "every value is a float32 number already; nothing was rounded")


def test_exact_input_keeps_thirds() -> None:
    read = read_inputs(with_inputs(VECTOR), "-0.1,1/3,2", exact_input=True)
    assert values(read) == [Fraction(-1, 10), Fraction(1, 3), 2]
    assert read.rounding == "taken exactly as given, not rounded to float32"


def test_text_is_rounded_once_not_by_way_of_a_double() -> None:
    text = str(1 + Fraction(1, 2**24) + Fraction(1, 2**200))
    assert values(read_inputs(with_inputs(Port("x", (1,))), text)) == [1 + Fraction(1, 2**23)]


def test_several_inputs_by_name_keep_their_types() -> None:
    read = read_inputs(TWO, {"right": [0.1, 0.2, 0.3], "left": "1/3,1"})
    assert read.point[2:].equals(exact([0.1, 0.2, 0.3]))
    assert (read.changed, len(read.point)) == (1, 5)
    assert read.rounding == "1 of 5 values were rounded to float32 and float64, as a runtime would receive them"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "the model has 2 inputs .left, right.: give each by its name"),
        ({"left": [1, 2]}, "missing: right"),
        ({"left": [1, 2], "right": [1, 2, 3], "up": [1]}, "unknown: up"),
        ({"left": [1, 2], "right": [1, 2]}, r"input 'right' expects shape \[3\], got \[2\]"),
        ({"left": [True, False], "right": [1, 2, 3]}, "the array given for 'left': .*bool"),
        ({"left": [1, float("nan")], "right": [1, 2, 3]}, "the array given for 'left': .*finite"),
        ({"left": "spam", "right": [1, 2, 3]}, "expected a file"),
    ],
)
def test_several_inputs_refused(given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_inputs(TWO, given)


def test_an_archive_serves_all_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", left=np.ones((4, 2)), right=np.arange(12.0).reshape(4, 3))
    read = read_inputs(TWO, tmp_path / "x.npz", row=2)
    assert values(read) == [1, 1, 6, 7, 8]
    assert "x.npz[left], row 2; " in read.origin


def test_a_header_names_the_features(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c\n1,2,3\n4,5,6\n")
    read = read_inputs(with_inputs(VECTOR), str(tmp_path / "x.csv"), row=1)
    assert read.columns == ("a", "b", "c")
    assert values(read) == [4, 5, 6]


def test_too_many_columns_are_listed(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c,label\n1,2,3,0\n")
    with pytest.raises(InputError, match=r"got \[4\] .columns a, b, c, label."):
        read_inputs(with_inputs(VECTOR), str(tmp_path / "x.csv"), row=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad: float) -> None:
    with pytest.raises(InputError, match=r"the array given for 'x': entry .0, 1.: expected a finite number"):
        read_inputs(with_inputs(VECTOR), np.array([[0, bad, 1]]))


def test_overflow_in_the_input_type() -> None:
    with pytest.raises(InputError, match=r"rounds to infinity in float32"):
        read_inputs(with_inputs(VECTOR), [1e39, 0, 0])


def test_specs_of_one_input() -> None:
    assert split_specs(["1,2,3"]) == Given("1,2,3")
    assert split_specs(["x=1,2,3"], True) == {"x": Given("1,2,3", True)}


def test_a_file_name_may_hold_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "a=b.csv"
    path.write_text("1,2,3\n")
    assert split_specs([str(path)]) == Given(str(path))


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["left=1,2", "middle=1"], "the model's inputs are left, right; missing: right; unknown: middle"),
        (["left=1,2", "left=1,2"], "--input left=…: given twice"),
        (["1,2", "1,2,3"], "write name=file for each"),
    ],
)
def test_bad_specs(specs: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_inputs(TWO, split_specs(specs))


def test_fits_without_a_batch_axis() -> None:
    port = Port("x", (2, 3))
    assert [fits(shape, port) for shape in ((2, 3), (6,), (3,), (1, 2, 3))] == [True, True, False, False]
