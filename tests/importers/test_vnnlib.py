"""VNN-LIB properties: exact numbers, disjunctions, linear terms, and messages that name the line."""

from __future__ import annotations

import gzip
from fractions import Fraction
from pathlib import Path

import pytest

from exactbox.importers import vnnlib
from exactbox.importers.vnnlib import All, Comparison, Some, parse_property, read_property
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact

TWO = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
BOX = "(assert (<= X_0 1)) (assert (>= X_0 -1)) (assert (<= X_1 2.5)) (assert (>= X_1 0))"


def bounds(text: str, case: int | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    domain = parse_property(TWO + text).input_domain(case)
    assert not len(domain.rows)
    return tuple(map(str, domain.lower)), tuple(map(str, domain.upper))


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        pytest.param(BOX, ("-1", "0"), ("1", "5/2"), id="one bound an assertion"),
        pytest.param("", ("None", "None"), ("None", "None"), id="nothing asserted"),
        pytest.param("(assert (<= X_0 0.1)) (assert (>= X_0 1e-1))", ("1/10", "None"), ("1/10", "None"), id="no width"),
        pytest.param("(assert (>= 3 X_1))", ("None", "None"), ("None", "3"), id="number first"),
        pytest.param("(assert (and (<= X_0 1) (<= X_0 1/3) (>= X_0 -1)))", ("-1", "None"), ("1/3", "None"), id="best"),
        pytest.param("(assert (<= (* 2 X_0) 1))", ("None", "None"), ("1/2", "None"), id="a factor"),
        pytest.param("(assert (<= (* X_0 -4) (+ 1 1)))", ("-1/2", "None"), ("None", "None"), id="a negative factor"),
        pytest.param("(assert (<= (- X_1) (- 2 1 4)))", ("None", "3"), ("None", "None"), id="differences"),
        pytest.param("(assert (<= (+ X_0 X_1 (- X_1)) 7))", ("None", "None"), ("7", "None"), id="terms that cancel"),
        pytest.param("; a comment ) (\n(assert (<= X_0 1)) ; more", ("None", "None"), ("1", "None"), id="comments"),
        pytest.param("(assert (or (<= Y_0 1) (>= Y_0 2)))" + BOX, ("-1", "0"), ("1", "5/2"), id="outputs are not read"),
        pytest.param("(assert (<= Y_0 X_0))" + BOX, ("-1", "0"), ("1", "5/2"), id="of inputs and outputs"),
        pytest.param("(set-logic QF_LRA) (check-sat)" + BOX, ("-1", "0"), ("1", "5/2"), id="other commands"),
    ],
)
def test_boxes(text: str, lower: tuple[str, ...], upper: tuple[str, ...]) -> None:
    assert bounds(text) == (lower, upper)


def test_decimals_are_exact() -> None:
    text = "0.4475139364886041"
    domain = parse_property(TWO + f"(assert (<= X_0 {text}))").input_domain()
    assert domain.upper[0] == Fraction(4475139364886041, 10**16)


def test_a_disjunction_over_inputs_asks_for_a_choice() -> None:
    text = "(assert (or (and (<= X_0 1) (<= Y_0 0)) (and (>= X_0 2) (<= Y_0 0)))) (assert (<= X_1 0))"
    found = parse_property(TWO + text, "p.vnnlib")
    assert len(found.input_cases()) == 2
    with pytest.raises(InputError, match=r"p\.vnnlib: its disjunctions give 2 sets of inputs; choose one, 0 to 1"):
        found.input_domain()
    assert bounds(text, 0) == (("None", "None"), ("1", "0"))
    assert bounds(text, 1) == (("2", "None"), ("None", "0"))
    for case in (2, -1):
        with pytest.raises(InputError, match=r"case .* does not exist; there are 2"):
            found.input_domain(case)


def test_a_disjunction_that_gives_the_same_inputs_is_none() -> None:
    text = "(assert (or (and (<= X_0 1) (<= Y_0 0)) (and (<= X_0 1) (>= Y_0 9))))"
    assert bounds(text) == (("None", "None"), ("1", "None"))
    assert bounds(text, 0) == (("None", "None"), ("1", "None"))


def test_disjunctions_multiply() -> None:
    text = "(assert (or (<= X_0 1) (>= X_0 2))) (assert (or (<= X_1 1) (>= X_1 2)))"
    assert len(parse_property(TWO + text).input_cases()) == 4


def test_rows_that_join_inputs_give_a_polytope() -> None:
    domain = parse_property(TWO + BOX + "(assert (<= (+ X_0 (* 2 X_1)) 1.5))").input_domain()
    assert len(domain.rows) == 1
    assert domain.contains(exact(["1/2", "1/2"])) and not domain.contains(exact(["1/2", "3/4"]))


def test_formulas_are_kept_for_outputs() -> None:
    found = parse_property(TWO + "(assert (or (and (<= Y_0 0.5) (>= X_0 1)) (<= 1 Y_0)))")
    low = Comparison(((("Y", 0), Fraction(1)),), Fraction(1, 2))
    one = Comparison(((("X", 0), Fraction(-1)),), Fraction(-1))
    high = Comparison(((("Y", 0), Fraction(-1)),), Fraction(-1))
    assert found.assertions == (Some((All((low, one)), high)),)
    assert (found.inputs, found.outputs) == (2, 1)
    assert [set(part.kinds) for part in (low, one)] == [{"Y"}, {"X"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(assert (<= X_2 1))", r"line 4: X_2 is not declared"),
        ("(assert (< X_0 1))", r"line 4: expected and, or, <= or >= .*got \(< X_0 1\)"),
        ("(assert (<= X_0 nan))", "line 4: expected a number"),
        ("(assert (<= (* X_0 X_1) 1))", "line 4: a product of variables is not linear"),
        ("(assert (<= (/ X_0 2) 1))", "line 4: expected a number, a variable, or a linear term"),
        ("(assert (and))", "line 4: expected and, or"),
        ("(assert)", "line 4: expected declare-const or assert"),
        ("(define-fun f () Real 1)", "line 4: expected declare-const or assert"),
        ("(declare-const Z_0 Real)", "line 4: expected a variable X_i or Y_i, got 'Z_0'"),
        ("(declare-const X_1 Real)", "line 4: X_1 is declared twice"),
        ("(declare-const X_01 Real)", "line 4: expected a variable"),
        ("(declare-const X_7 Real)", "X_2 is not declared, but others beyond it are"),
        ("\n\n(assert (<= X_0 1)", "line 6: a parenthesis is not closed"),
        ("assert", "line 4: expected an opening parenthesis, got 'assert'"),
        (")", "line 4: expected an opening parenthesis"),
        ("(assert (<= X_0 1)) (assert (>= X_0 2))", "empty"),
        ("(assert (<= (+ X_0 X_1) 0)) (assert (>= (+ X_0 X_1) 1))", "empty"),
        ("(assert (<= 1 0))", "empty"),
    ],
)
def test_bad_text(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_property(TWO + text).input_domain()


def test_hostile_text() -> None:
    with pytest.raises(InputError, match="nested parentheses"):
        parse_property("(" * 100_000)
    many = " ".join("(or (<= X_0 1) (>= X_0 2) (<= X_1 3))" for _ in range(20))
    with pytest.raises(InputError, match="cases"):
        parse_property(TWO + f"(assert (and {many}))").input_domain()
    with pytest.raises(InputError, match="cases of inputs"):
        parse_property(TWO + " ".join(f"(assert (or (<= X_0 {k}) (>= X_1 {k})))" for k in range(20))).input_domain()
    with pytest.raises(InputError, match="digits"):
        parse_property(TWO + f"(assert (<= X_0 {'9' * 200_000}))")


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = tmp_path / "p.vnnlib", tmp_path / "p.vnnlib.gz"
    plain.write_text(TWO + BOX)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_property(plain).assertions == read_property(packed).assertions
    assert read_property(plain).origin == str(plain)
    packed.write_bytes(packed.read_bytes()[:30])
    with pytest.raises(InputError, match=r"p\.vnnlib\.gz"):
        read_property(packed)
    plain.write_bytes(b"\xff\xfe(")
    with pytest.raises(InputError, match="not readable as VNN-LIB"):
        read_property(plain)
    with pytest.raises(InputError, match="No such file"):
        read_property(tmp_path / "none.vnnlib")
    (tmp_path / "long.vnnlib").write_text(TWO)
    monkeypatch.setattr(vnnlib, "MAX_BYTES", 4)
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_property(tmp_path / "long.vnnlib")


def test_competition_files_are_read(shared_models: Path) -> None:
    files = sorted(shared_models.rglob("*.vnnlib"))
    assert files
    for file in files:
        found = read_property(file)
        cases = found.input_cases()
        assert found.inputs and found.outputs and cases
        for case in range(len(cases)):
            domain = found.input_domain(case)
            assert domain.is_box and not domain.is_everything
