"""Reading numbers from files and from typed lists: what is accepted, and what each refusal says."""

from pathlib import Path

import numpy as np
import pytest

from exactbox.polytope.errors import InputError
from exactbox.sources import Table, read_any, read_literal, read_table


def texts(table: Table) -> list[str]:
    return [str(value) for value in table.exact().fractions()]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-0.1,1/3", ["-1/10", "1/3"]), ("5", ["5"]), (" 1e2 , -.5 ", ["100", "-1/2"]), ("-1/2", ["-1/2"])],
)
def test_typed_lists_are_exact(text: str, expected: list[str]) -> None:
    assert texts(read_any(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,,2", "the list given: entry 1: expected a number"),
        ("1,nan", "the list given: entry 1: expected a number.*got 'nan'"),
        ("inf,1", "entry 0.*got 'inf'"),
        ("1,2/0", "entry 1: the denominator"),
    ],
)
def test_typed_lists_name_the_bad_entry(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_any(text).exact()


@pytest.mark.parametrize("text", ["hello", "x.txt", "a b c", ""])
def test_text_is_neither_a_file_nor_numbers(text: str) -> None:
    with pytest.raises(InputError, match="expected a file"):
        read_any(text)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_any(str(tmp_path / name))


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(InputError, match="got a folder"):
        read_any(str(tmp_path / "x.npy"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY\x01\x00"])
def test_broken_binary_file(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=r"not readable as a \.np[yz] file"):
        read_table(written(tmp_path, name, content))


def test_truncated_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(100))
    whole = (tmp_path / "x.npy").read_bytes()
    with pytest.raises(InputError, match="not readable"):
        read_table(written(tmp_path, "cut.npy", whole[:-8]))


def test_truncated_npz(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.arange(1000.0))
    whole = (tmp_path / "x.npz").read_bytes()
    for cut in (40, len(whole) // 2, len(whole) - 4):
        with pytest.raises(InputError, match="not readable"):
            read_table(written(tmp_path, "cut.npz", whole[:cut]))


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not readable"):
        read_table(tmp_path / "x.npy")


def test_npz_picks_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([1.5]), b=np.array([2.5]))
    assert texts(read_table(tmp_path / "x.npz", ["a b", "b"])) == ["5/2"]
    with pytest.raises(InputError, match=r"holds the arrays a, b; none of them is called 'pixels'"):
        read_table(tmp_path / "x.npz", ["pixels"])
    with pytest.raises(InputError, match="holds the arrays a, b; none was named"):
        read_table(tmp_path / "x.npz")


def test_npz_of_one_array_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", only=np.array([1.5]))
    assert texts(read_table(tmp_path / "x.npz", ["pixels"])) == ["3/2"]


@pytest.mark.parametrize("values", [np.array(["a", "b"]), np.array([True]), np.array([1j])])
def test_arrays_of_no_numbers(tmp_path: Path, values: object) -> None:
    np.save(tmp_path / "x.npy", np.asarray(values))
    with pytest.raises(InputError, match="expected numbers, got an array of type"):
        read_table(tmp_path / "x.npy")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_array_with_a_number_that_is_not_finite(tmp_path: Path, bad: float) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.0, bad]]))
    with pytest.raises(InputError, match=r"x\.npy: entry \(0, 1\): expected a finite number"):
        read_table(tmp_path / "x.npy").exact()


def test_csv_with_and_without_a_header(tmp_path: Path) -> None:
    plain = read_table(written(tmp_path, "a.csv", "1,2\n\n-0.1,1/3\n"))
    named = read_table(written(tmp_path, "b.csv", '\ufeff"sepal, length",b\r\n1,2\r\n'))
    assert (plain.columns, texts(plain.row(1))) == ((), ["-1/10", "1/3"])
    assert (named.columns, texts(named)) == (("sepal, length", "b"), ["1", "2"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("a,b\n", "no rows follow"),
        ("1,2\n3\n", "line 2 has 1 cell, line 1 has 2"),
        ("1;2,5\n3;4\n", "separated by commas, not semicolons"),
        (b"\xff\xfe1", "not readable as CSV text"),
    ],
)
def test_broken_csv(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path, "x.csv", content))


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "", "abc", "1,5"])
def test_csv_names_line_and_column_of_a_bad_cell(tmp_path: Path, cell: str) -> None:
    table = read_table(written(tmp_path, "x.csv", f'left,right\n1,2\n3,"{cell}"\n'))
    with pytest.raises(InputError, match=r"x\.csv, row 1: entry 1 \(right\)|line 3, entry 1 \(right\)"):
        table.row(1).exact()


def test_csv_of_numbers_with_a_bad_first_line_is_not_taken_for_a_header(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x.csv", "nan,2\n3,4\n"))
    assert table.columns == ()
    with pytest.raises(InputError, match="entry 0"):
        table.exact()


@pytest.mark.parametrize("index", [-1, 2, 10**12])
def test_row_out_of_range(tmp_path: Path, index: int) -> None:
    table = read_table(written(tmp_path, "x.csv", "1\n2\n"))
    with pytest.raises(InputError, match=f"row {index} does not exist; rows count from 0 and there are 2"):
        table.row(index)


def test_literal_keeps_its_order() -> None:
    assert read_literal("3,1,2").values.tolist() == ["3", "1", "2"]
