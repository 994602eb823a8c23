"""Domains from options, files and data, and the refusals of boxes that are empty or do not hold the input."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.boxes import NO_BOX, ball, box_between, box_from_data, box_from_file, check_inside, everywhere
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact
from tests.exactbox_.programs import IMAGE, VECTOR, bounds, with_inputs

THREE = with_inputs(VECTOR)
NAMES = ("a", "b", "c")
HALF = Fraction(1, 2)


def test_no_box_is_said() -> None:
    found = everywhere(THREE)
    assert (found.domain.is_everything, found.text) == (True, NO_BOX)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("-1/2", "0.1", "the box [-0.5, 0.1] for every input"),
        (0, 1, "the box [0, 1] for every input"),
        (None, 0, "the box [-inf, 0] for every input"),
        ("-inf", "1/3", "the box [-inf, 1/3] for every input"),
        ([0, 0, 1], 1, "a box with bounds of their own for 3 inputs"),
    ],
)
def test_box_in_words(low: object, high: object, text: str) -> None:
    assert box_between(THREE, low, high).text == text


def test_bounds_are_exact_decimals() -> None:
    assert box_between(THREE, "-0.1", ["0.1", "1/3", 2]).domain.upper == bounds("0.1", "1/3", 2)


def test_bounds_in_the_shape_of_the_input() -> None:
    domain = box_between(with_inputs(IMAGE), np.zeros((1, 3, 2, 2)), np.arange(12).reshape(3, 2, 2)).domain
    assert domain.upper == tuple(range(12))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (1, 0, "coordinate 0 is empty"),
        ([0, 0, 2], 1, "coordinate 2 is empty"),
        ([0, 0], 1, "got 2 lower bounds, expected 1 or 3"),
        ("inf", "inf", "the lower bound of entry 0 is inf, so that the box is empty"),
        (0, [1, 1, "-inf"], "the upper bound of entry 2 is -inf"),
        ("zero", 1, "expected a number"),
        (float("nan"), 1, "expected a finite number"),
    ],
)
def test_bad_bounds(low: object, high: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        box_between(THREE, low, high)


@pytest.mark.parametrize(
    "content",
    [
        "lower,upper\n0,1\n-1,inf\n,1/3\n",
        "0,1\n-1,\n-inf,1/3\n",
        "name,lower,upper\nc,,1/3\na,0,1\nb,-1,inf\n",
        "Name,Lower,Upper\na,0,1\nb,-1,\nc,,1/3\n",
    ],
)
def test_box_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "box.csv"
    path.write_text(content)
    domain = box_from_file(THREE, path, NAMES).domain
    assert domain.lower == bounds(0, -1, None)
    assert domain.upper == bounds(1, None, "1/3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0,1\n0,1\n", "expected 3 lines of bounds, one an input, got 2"),
        ("1\n2\n3\n", "expected the columns lower,upper or name,lower,upper"),
        ("a,b,c,d\n0,1,2,3\n", "expected the columns"),
        ("lower,upper\n", "expected 3 lines of bounds, one an input, got 0"),
        ("0,1\n1,0\n0,1\n", "coordinate 1 is empty"),
        ("0,1\n0,x\n0,1\n", "expected a number.*'x'"),
        ("0,1\ninf,1\n0,1\n", "line 2, lower: box: the lower bound of entry 0 is inf"),
        ("a,0,1\na,0,1\nb,0,1\n", "'a' is named twice"),
        ("a,0,1\nb,0,1\nd,0,1\n", "the inputs are a, b, c; missing: c; unknown: d"),
    ],
)
def test_bad_box_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "box.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        box_from_file(THREE, path, NAMES)
    assert str(path) in str(caught.value)


def test_box_from_data_holds_every_rounded_sample(tmp_path: Path) -> None:
    samples = np.array([[0.1, 5, -3], [0.7, 5, 2], [0.3, 5, 0.2]])
    np.save(tmp_path / "x.npy", samples)
    domain = box_from_data(THREE, tmp_path / "x.npy").domain
    assert domain.dimension == 2
    assert all(domain.contains(exact(row)) for row in samples.astype(np.float32))


def test_box_from_exact_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c\n1/3,0,1\n0.1,1,1\n")
    domain = box_from_data(THREE, tmp_path / "x.csv", exact_input=True).domain
    assert domain.lower == bounds("0.1", 0, 1)
    assert domain.upper == bounds("1/3", 1, 1)


def test_box_from_one_image(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 2, 2)))
    assert box_from_data(with_inputs(IMAGE), tmp_path / "x.npy").domain.dimension == 0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((0, 3)), "holds no samples"),
        (np.zeros((4, 2)), r"expected samples of shape \[1, 3\], got \[4, 2\]"),
        (np.array([[0, 1, np.nan]]), "expected a finite number"),
    ],
)
def test_bad_data(tmp_path: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]], message: str) -> None:
    np.save(tmp_path / "x.npy", samples)
    with pytest.raises(InputError, match=message):
        box_from_data(THREE, tmp_path / "x.npy")


def test_ball_is_cut_with_the_box_exactly() -> None:
    found = ball(box_between(THREE, 0, 1), exact(["0.05", "1/2", 1]), "0.1")
    assert found.domain.lower == bounds(0, "2/5", "9/10")
    assert found.domain.upper == bounds("3/20", "3/5", 1)
    assert found.text == "the box [0, 1] for every input, and L-infinity distance at most 1/10 from the input"


def test_ball_in_all_of_space() -> None:
    found = ball(everywhere(THREE), exact([1, 2, 3]), HALF)
    assert (found.domain.lower, found.domain.upper) == ((HALF, HALF + 1, HALF + 2), (HALF + 1, HALF + 2, HALF + 3))
    assert found.text == "L-infinity distance at most 1/2 from the input"


def test_ball_of_radius_zero_is_the_point() -> None:
    assert ball(everywhere(THREE), exact([1, 2, 3]), 0).domain.dimension == 0


@pytest.mark.parametrize("radius", ["-0.1", -1, [1, 2]])
def test_bad_radius(radius: object) -> None:
    with pytest.raises(InputError, match="eps: expected one number that is not negative"):
        ball(everywhere(THREE), exact([1, 2, 3]), radius)


def test_outside_names_the_inputs() -> None:
    with pytest.raises(InputError) as caught:
        check_inside(box_between(THREE, 0, 1), exact([2, "1/2", "-1/3"]), NAMES)
    text = "the input lies outside the domain, the box [0, 1] for every input: a is 2, outside [0, 1]; "
    assert str(caught.value) == text + "c is -1/3, outside [0, 1]"


def test_outside_by_rounding_says_so() -> None:
    tenth = exact(np.float32(0.1)).reshape(1)
    inside = box_between(with_inputs(VECTOR), 0, "0.1")
    with pytest.raises(InputError, match=r"a is 0\.10000000149011612, outside \[0, 0\.1\].*moved it out: widen"):
        check_inside(inside, exact([tenth.item(0)] * 3), NAMES, exact(["0.1"] * 3))
    with pytest.raises(InputError, match=r"outside \[0, 0\.1\]$"):
        check_inside(inside, tenth[[0, 0, 0]], ("a", "a", "a"), exact(["0.2"] * 3))


def test_many_outside_are_counted() -> None:
    with pytest.raises(InputError, match=r"; and 9 more$"):
        check_inside(box_between(with_inputs(IMAGE), 0, 1), exact([2] * 12), [str(i) for i in range(12)])


def test_inside_is_silent() -> None:
    check_inside(box_between(THREE, 0, 1), exact([0, "1/2", 1]), NAMES)
