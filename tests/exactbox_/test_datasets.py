"""Samples from arrays and files: shapes, rounding, rows in messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exactbox.datasets import read_dataset, read_labels, split_data
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port
from exactbox.sources import Given
from tests.exactbox_.programs import IMAGE, VECTOR, with_inputs

GOOD = [
    ("flat rows", VECTOR, (5, 3), 5),
    ("one sample", VECTOR, (3,), 1),
    ("one sample with its batch axis", VECTOR, (1, 3), 1),
    ("batch axis kept a sample", VECTOR, (5, 1, 3), 5),
    ("images", IMAGE, (4, 3, 2, 2), 4),
    ("flat images", IMAGE, (4, 12), 4),
    ("one image", IMAGE, (3, 2, 2), 1),
    ("no batch axis at all", Port("x", (5,)), (7, 5), 7),
]


@pytest.mark.parametrize("what,port,shape,count", GOOD, ids=[case[0] for case in GOOD])
def test_shapes(what: str, port: Port, shape: tuple[int, ...], count: int) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = read_dataset(with_inputs(port), values)
    assert found.count == count
    points, changed = found.points(0, count)
    assert changed == 0
    assert np.array_equal(points.T.ravel(), values.ravel())


@pytest.mark.parametrize("dtype,expected,changed", [
    ("float32", float(np.float32(0.1)), 1), ("float64", 0.1, 0), ("float16", float(np.float16(0.1)), 1),
    ("bfloat16", 0.10009765625, 1),
])  # fmt: skip
def test_rounding_is_that_of_the_input_type(dtype: str, expected: float, changed: int) -> None:
    found = read_dataset(with_inputs(Port("x", (1, 2), dtype)), np.array([[0.1, 0.5]]))
    points, count = found.points(0, 1)
    assert (points[0, 0], points[1, 0], count) == (expected, 0.5, changed)


def test_chunks_are_parts() -> None:
    values = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    found = read_dataset(with_inputs(VECTOR), values)
    parts = [found.points(start, start + 4)[0] for start in (0, 4, 8)]
    assert np.array_equal(np.concatenate(parts, axis=1), values.T)


def test_files_are_mapped_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((6, 3), dtype=np.float32))
    table = read_dataset(with_inputs(VECTOR), tmp_path / "x.npy").tables[0]
    base: object = table.values
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_text_cells_are_exact_decimals(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,c\n0.1,1/3,2\n1,nan,3\n")
    found = read_dataset(with_inputs(VECTOR), tmp_path / "x.csv")
    points, changed = found.points(0, 1)
    assert points[:, 0].tolist() == [float(np.float32(0.1)), float(np.float32(1 / 3)), 2.0]
    assert changed == 2
    with pytest.raises(InputError, match=r"row 1.*entry 1"):
        found.points(1, 2)


def test_several_inputs_by_name(tmp_path: Path) -> None:
    program = with_inputs(Port("a", (1, 1)), Port("b", (1, 2)))
    np.savez(tmp_path / "both.npz", a=np.ones((3, 1)), b=np.zeros((3, 2)))
    given = {"a": np.ones((3, 1)), "b": np.zeros((3, 2))}
    for data in (given, tmp_path / "both.npz"):
        assert read_dataset(program, data).points(0, 3)[0].tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3]
    with pytest.raises(InputError, match="2 samples for input 'b', but 3 in the first"):
        read_dataset(program, {"a": np.ones((3, 1)), "b": np.zeros((2, 2))})
    with pytest.raises(InputError, match=r"the model has 2 inputs \(a, b\)"):
        read_dataset(program, np.ones((3, 3)))


def test_whole_numbers(tmp_path: Path) -> None:
    program = with_inputs(Port("x", (1, 2), "int64"))
    assert read_dataset(program, np.array([[3, -4]])).points(0, 1)[0].tolist() == [[3.0], [-4.0]]
    with pytest.raises(InputError, match=r"row 0: .*expected a whole number"):
        read_dataset(program, np.array([[0.5, 1.0]])).points(0, 1)
    with pytest.raises(InputError, match=r"beyond 2\*\*53"):
        read_dataset(program, np.array([[2**60 + 1, 0]])).points(0, 1)


def test_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.array([2, 0]))
    (tmp_path / "y.csv").write_text("name\nsetosa\nvirginica\n")
    (tmp_path / "bare.csv").write_text("setosa\nvirginica\n")
    assert read_labels(tmp_path / "y.npy", 2) == ("2", "0")
    assert read_labels(tmp_path / "y.csv", 2) == read_labels(tmp_path / "bare.csv", 2) == ("setosa", "virginica")
    assert read_labels([1.0, 2.0], 2) == ("1", "2")
    assert read_labels([[1], [2]], 2) == ("1", "2")
    assert read_labels(np.array([b"a", b"b"]), 2) == ("a", "b")


def test_data_options() -> None:
    assert split_data(["x.npy"]) == Given("x.npy")
    assert split_data(["a=x.npy", "b=y.npy"], False) == {"a": Given("x.npy", False), "b": Given("y.npy", False)}
    with pytest.raises(InputError, match="write name=file"):
        split_data(["x.npy", "y.npy"])
