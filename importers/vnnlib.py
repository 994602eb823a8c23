"""VNN-LIB 1.0 properties: what is assumed of the inputs X_0, X_1, ... and asked of the outputs Y_0, Y_1, ...; exact.

An assertion is a comparison ``<=`` or ``>=`` of linear terms, or combines others with ``and`` and ``or``.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np

from exactbox.polytope.domain import Bound, Domain, box
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import from_fractions, parse_number

MAX_BYTES = 1 << 27
MAX_DEPTH = 64
MAX_CASES = 4096

_TOKEN = re.compile(r";[^\n]*|[()]|[^\s();]+")
_VARIABLE = re.compile(r"([XY])_(0|[1-9][0-9]{0,7})")

Name = tuple[str, int]
"""("X", i) for an input, ("Y", i) for an output."""
Tree: TypeAlias = "str | list[Tree]"


@dataclass(frozen=True)
class Comparison:
    """The constraint ``sum of coefficient * variable <= bound``, exact.

    Args:
        terms: variables with coefficients that are not 0, in the order of their names.
    """

    terms: tuple[tuple[Name, Fraction], ...]
    bound: Fraction

    @property
    def kinds(self) -> frozenset[str]:
        """"X", "Y", or both."""
        return frozenset(kind for (kind, _), _ in self.terms)


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Some:
    """One of the parts holds at least."""

    parts: tuple[Formula, ...]


Formula = Comparison | All | Some


@dataclass(frozen=True)
class Property:
    """A property file: numbers of inputs and outputs, and what is asserted.

    Args:
        inputs: how many X are declared.
        outputs: how many Y are declared.
        assertions: all of them hold at a counterexample.
        origin: where it was read.
    """

    inputs: int
    outputs: int
    assertions: tuple[Formula, ...]
    origin: str = "property"

    def input_cases(self) -> tuple[tuple[Comparison, ...], ...]:
        """Return the different constraints on inputs alone, one entry for each way to satisfy the disjunctions.

        Raises:
            InputError: more than ``MAX_CASES`` ways.
        """
        cases: list[tuple[Comparison, ...]] = [()]
        for assertion in self.assertions:
            ways = list(dict.fromkeys(_inputs_of(way) for way in _ways(assertion, self.origin)))
            if len(cases) * len(ways) > MAX_CASES:
                raise InputError(f"{self.origin}: more than {MAX_CASES} cases of inputs")
            cases = [(*before, *way) for before, way in product(cases, ways)]
        return tuple(dict.fromkeys(cases))

    def input_domain(self, case: int | None = None) -> Domain:
        """Return the inputs that satisfy the constraints on inputs alone: a box, or a polytope where rows join inputs.

        Args:
            case: which one, where a disjunction gives several (0-based).

        Raises:
            InputError: several cases and none chosen, no such case, or an empty one.
        """
        cases = self.input_cases()
        if case is None and len(cases) > 1:
            several = f"{len(cases)} sets of inputs; choose one, 0 to {len(cases) - 1}"
            raise InputError(f"{self.origin}: its disjunctions give {several}")
        chosen = case or 0
        if not 0 <= chosen < len(cases):
            raise InputError(f"{self.origin}: case {chosen} does not exist; there are {len(cases)}, counted from 0")
        try:
            return _domain(self.inputs, cases[chosen])
        except InputError as error:
            raise InputError(f"{self.origin}: {error}") from None


def read_property(path: Path) -> Property:
    """Read a .vnnlib file, or a .vnnlib.gz file.

    Raises:
        InputError: the file cannot be read, or its text is no VNN-LIB 1.0; the message names the line.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES} bytes")
        return parse_property(content.decode("utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as VNN-LIB text: {error}") from None


def parse_property(text: str, origin: str = "property") -> Property:
    """Read the text of a property.

    Raises:
        InputError: no VNN-LIB 1.0; the message names the line.

    >>> lines = "(declare-const X_0 Real) (declare-const Y_0 Real) (assert (<= X_0 0.1)) (assert (>= X_0 -1))"
    >>> found = parse_property(lines + "(assert (<= Y_0 0))")
    >>> domain = found.input_domain()
    >>> str(domain.lower[0]), str(domain.upper[0]), found.outputs
    ('-1', '1/10', 1)
    """
    reader = _Reader(origin)
    for line, command in _commands(text, origin):
        reader.take(line, command)
    return reader.property()


@dataclass
class _Reader:
    """Collects what the commands declare and assert."""

    origin: str
    declared: dict[str, set[int]] = field(default_factory=lambda: {"X": set(), "Y": set()})
    assertions: list[Formula] = field(default_factory=list)
    line: int = 0

    def take(self, line: int, command: Tree) -> None:
        """Take one command."""
        self.line = line
        match command:
            case ["declare-const", str(name), "Real"] | ["declare-fun", str(name), [], "Real"]:
                kind, index = self._variable(name)
                if index in self.declared[kind]:
                    raise self._error(f"{name} is declared twice")
                self.declared[kind].add(index)
            case ["assert", formula]:
                self.assertions.append(self._formula(formula))
            case ["set-logic" | "set-info" | "check-sat" | "exit", *_]:
                return
            case _:
                raise self._error(f"expected declare-const or assert, got {_shown(command)}")

    def property(self) -> Property:
        """Return the property once all commands were taken."""
        for kind, indices in self.declared.items():
            if indices != set(range(len(indices))):
                missing = min(set(range(len(indices))) - indices)
                raise InputError(f"{self.origin}: {kind}_{missing} is not declared, but others beyond it are")
        sizes = (len(self.declared["X"]), len(self.declared["Y"]))
        return Property(*sizes, tuple(self.assertions), self.origin)

    def _formula(self, tree: Tree) -> Formula:
        match tree:
            case ["and", *parts] if parts:
                return All(tuple(self._formula(part) for part in parts))
            case ["or", *parts] if parts:
                return Some(tuple(self._formula(part) for part in parts))
            case ["<=", left, right]:
                return self._comparison(left, right)
            case [">=", left, right]:
                return self._comparison(right, left)
            case _:
                raise self._error(f"expected and, or, <= or >= (VNN-LIB 1.0), got {_shown(tree)}")

    def _comparison(self, low: Tree, high: Tree) -> Comparison:
        terms, constant = self._term(low)
        others, more = self._term(high)
        for name, value in others.items():
            terms[name] = terms.get(name, Fraction(0)) - value
        kept = sorted((name, value) for name, value in terms.items() if value)
        return Comparison(tuple(kept), more - constant)

    def _term(self, tree: Tree) -> tuple[dict[Name, Fraction], Fraction]:
        """Return a linear term as coefficients and a constant."""
        match tree:
            case str(text) if _VARIABLE.fullmatch(text):
                name = self._variable(text)
                if name[1] not in self.declared[name[0]]:
                    raise self._error(f"{text} is not declared")
                return {name: Fraction(1)}, Fraction(0)
            case str(text):
                return {}, self._number(text)
            case ["+", *parts] if parts:
                return self._sum(parts, [Fraction(1)] * len(parts))
            case ["-", part]:
                return self._sum([part], [Fraction(-1)])
            case ["-", first, *parts]:
                return self._sum([first, *parts], [Fraction(1)] + [Fraction(-1)] * len(parts))
            case ["*", first, second]:
                terms, factor = self._term(first)
                if terms:
                    (terms, factor), second = self._term(second), first
                if terms:
                    raise self._error(f"a product of variables is not linear: {_shown(tree)}")
                return self._sum([second], [factor])
            case _:
                raise self._error(f"expected a number, a variable, or a linear term, got {_shown(tree)}")

    def _sum(self, parts: list[Tree], factors: list[Fraction]) -> tuple[dict[Name, Fraction], Fraction]:
        total: dict[Name, Fraction] = {}
        constant = Fraction(0)
        for part, factor in zip(parts, factors, strict=True):
            terms, value = self._term(part)
            constant += factor * value
            for name, coefficient in terms.items():
                total[name] = total.get(name, Fraction(0)) + factor * coefficient
        return total, constant

    def _variable(self, text: str) -> Name:
        found = _VARIABLE.fullmatch(text)
        if found is None:
            raise self._error(f"expected a variable X_i or Y_i, got {text!r}")
        return found[1], int(found[2])

    def _number(self, text: str) -> Fraction:
        try:
            return parse_number(text)
        except InputError as error:
            raise self._error(str(error)) from None

    def _error(self, message: str) -> InputError:
        return InputError(f"{self.origin}, line {self.line}: {message}")


def _commands(text: str, origin: str) -> Iterator[tuple[int, Tree]]:
    """Yield the expressions of the outermost level with the lines on which they begin."""
    open_lists: list[list[Tree]] = []
    line, place, began = 1, 0, 1
    for token in _TOKEN.finditer(text):
        line += text.count("\n", place, token.start())
        place = token.start()
        word = token[0]
        if word.startswith(";"):
            continue
        if word == "(":
            began = began if open_lists else line
            open_lists.append([])
            if len(open_lists) > MAX_DEPTH:
                raise InputError(f"{origin}, line {line}: more than {MAX_DEPTH} nested parentheses")
        elif not open_lists:
            raise InputError(f"{origin}, line {line}: expected an opening parenthesis, got {word!r}")
        elif word == ")":
            done = open_lists.pop()
            if open_lists:
                open_lists[-1].append(done)
            else:
                yield began, done
        else:
            open_lists[-1].append(word)
    if open_lists:
        raise InputError(f"{origin}, line {began}: a parenthesis is not closed")


def _ways(formula: Formula, origin: str) -> list[tuple[Comparison, ...]]:
    """Return the disjunctive normal form: comparisons that hold together, in each way."""
    match formula:
        case Comparison():
            return [(formula,)]
        case Some(parts):
            found = [way for part in parts for way in _ways(part, origin)]
        case All(parts):
            found = [()]
            for part in parts:
                ways = _ways(part, origin)
                if len(found) * len(ways) > MAX_CASES:
                    raise InputError(f"{origin}: a formula has more than {MAX_CASES} cases")
                found = [(*before, *way) for before in found for way in ways]
    if len(found) > MAX_CASES:
        raise InputError(f"{origin}: a formula has more than {MAX_CASES} cases")
    return found


def _inputs_of(way: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    """Return the comparisons of inputs alone (constants compared with each other among them)."""
    return tuple(one for one in way if "Y" not in one.kinds)


def _domain(size: int, constraints: tuple[Comparison, ...]) -> Domain:
    lower: list[Bound] = [None] * size
    upper: list[Bound] = [None] * size
    rows: list[Comparison] = []
    for one in constraints:
        if len(one.terms) != 1:
            rows.append(one)
            continue
        (((_, i), factor),), value = one.terms, one.bound
        side, better = (upper, min) if factor > 0 else (lower, max)
        old = side[i]
        side[i] = value / factor if old is None else better(old, value / factor)
    if not rows:
        return box(lower, upper)
    matrix = np.zeros((len(rows), size), dtype=object)
    for k, row in enumerate(rows):
        for (_, i), factor in row.terms:
            matrix[k, i] = factor
    return domain_from_rows(lower, upper, matrix.tolist(), from_fractions([row.bound for row in rows]))


def _shown(tree: Tree) -> str:
    text = tree if isinstance(tree, str) else f"({' '.join(_shown(part) for part in tree[:4])}{' …' * (len(tree) > 4)})"
    return text if len(text) <= 60 else f"{text[:60]}…"
