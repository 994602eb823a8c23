"""Coordinates that need not be seen: the same regions, witnesses, neighbours and certificates with and without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.polytope import enumeration
from exactbox.polytope.complex import region_complex
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.enumeration import Space, enumerate_regions
from exactbox.polytope.program import Add, Gather, Input, Instruction, MatMul, Max, Port, Program, with_sources
from exactbox.polytope.rational import exact
from exactbox.polytope.reading import read_directions, reading_domain
from exactbox.polytope.region import region_at
from exactbox.verify.check import check
from exactbox.verify.tree_certificate import write_enumeration
from tests.nets import BATTERY, Layer, mlp, random_mlp, relu


def widened(program: Program, columns: Sequence[Sequence[object]]) -> Program:
    """Return ``x -> program(columns x)``: a program of more inputs that reads few directions of them."""
    first = MatMul(0, exact([list(row) for row in columns]).reshape(1, len(columns), -1), 1)
    size = len(columns[0])
    rest = tuple(with_sources(one, lambda src: src + 1) for one in program.instructions[1:])
    return Program((Port("x", (1, size)),), (Input(size), first, *rest), program.output)


FEW = [["1", "2", "0", "-1", "1/3"], ["0", "1", "0", "3", "-1"]]
IGNORED = [["1", "0", "2", "0"], ["-1", "0", "1", "0"]]
DOMAINS: dict[str, tuple[Sequence[Sequence[object]], Domain, int]] = {
    "all of R^5, two directions": (FEW, everything(5), 2),
    "a box in five directions": (FEW, box([-1] * 5, [1] * 5), 4),
    "ignored inputs of a box": (IGNORED, box([-1, -2, -1, 0], [1, 2, 1, None]), 2),
    "ignored inputs in R^4": (IGNORED, everything(4), 2),
    "a box open in two coordinates": (FEW, box([-1, None, -1, None, -1], [1, None, 1, None, 1]), 4),
    "a coordinate with one bound": (FEW, box([0, None, 0, None, None], [None] * 5), 3),
    "a row that joins two ignored inputs": (
        IGNORED, domain_from_rows([-1] * 4, [1] * 4, [[0, 1, 0, 1]], [1]), 4,
    ),
    "an equation": (FEW, domain_from_rows([None] * 5, [None] * 5, [], [], [[1, 1, 0, 0, 0]], [1]), 2),
    "a zero-width ignored coordinate": (IGNORED, box([-1, 2, -1, 0], [1, 2, 1, 1]), 2),
}  # fmt: skip


def plain_regions(program: Program, domain: Domain, monkeypatch: pytest.MonkeyPatch) -> tuple[set[bytes], list[int]]:
    """Return patterns and sorted facet counts of an enumeration that sees every coordinate."""
    with monkeypatch.context() as patch:
        patch.setattr(enumeration, "reading_domain", lambda _, domain: (domain, 0))
        found = region_complex(program, domain)
    return {cell.pattern.key for cell in found.cells}, sorted(found.facet_counts)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("net", ["integer", "duplicated", "zero second layer", "bias-free", "no unit"])
def test_the_regions_are_the_same(name: str, net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns, domain, dimension = DOMAINS[name]
    program = widened(BATTERY[net](), columns)
    expected, counts = plain_regions(program, domain, monkeypatch)
    space = Space(program, domain)
    assert space.chart.dimension <= dimension and space.chart.dimension <= domain.dimension
    found = region_complex(program, domain)
    assert {cell.pattern.key for cell in found.cells} == expected and len(found.cells) == len(expected)
    assert sorted(found.facet_counts) == counts
    for cell in found.cells:
        assert domain.contains(cell.witness) and domain.strictly_contains(cell.witness)
        assert region_at(program, cell.witness, domain).pattern == cell.pattern


@pytest.mark.parametrize("name", DOMAINS)
def test_the_dimension_is_that_of_what_is_read(name: str) -> None:
    columns, domain, dimension = DOMAINS[name]
    part, _ = reading_domain(widened(BATTERY["integer"](), columns), domain)
    assert part.dimension == dimension
    assert part.contains(domain.witness) and part.size == domain.size
    assert len(part.pivots) == part.size - part.dimension and list(part.pivots) == sorted(part.pivots)


@pytest.mark.parametrize("name", DOMAINS)
def test_neighbours_and_linear_regions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns, domain, _ = DOMAINS[name]
    program = widened(BATTERY["integer"](), columns)
    found = region_complex(program, domain)
    with monkeypatch.context() as patch:
        patch.setattr(enumeration, "reading_domain", lambda _, domain: (domain, 0))
        whole = region_complex(program, domain)
    keys = [[cell.pattern.key for cell in one.cells] for one in (found, whole)]
    borders = [
        {frozenset((names[i], names[j])) for i, j in one.borders}
        for names, one in zip(keys, (found, whole), strict=True)
    ]
    assert borders[0] == borders[1]
    merged = [
        {frozenset(names[i] for i in group) for group in one.linear_regions}
        for names, one in zip(keys, (found, whole), strict=True)
    ]
    assert merged[0] == merged[1]


@pytest.mark.parametrize("name", DOMAINS)
def test_the_certificates_check(name: str, tmp_path: Path) -> None:
    columns, domain, _ = DOMAINS[name]
    path = tmp_path / "r.cert"
    regions = write_enumeration(path, widened(BATTERY["integer"](), columns), domain)
    report = check(path.read_bytes(), lambda file: (tmp_path / file).read_bytes())
    assert f"exactly {regions} patterns" in " ".join(report.lines) and regions > 1


def test_a_wide_first_layer_in_the_whole_space() -> None:
    rng = np.random.default_rng(0)
    first: Layer = (rng.integers(-9, 10, (3, 40)).tolist(), [1, 2, -1])
    program = mlp([first, (rng.integers(-3, 4, (3, 3)).tolist(), [1, 0, 2]), ([[1, 2, 3]], [0])])
    space = Space(program, everything(40))
    assert space.chart.dimension == 3 and space.bounds_left_out == 0
    cells = list(enumerate_regions(program, everything(40)))
    sampled = Counter(
        region_at(program, exact([Fraction(int(v)) for v in rng.integers(-99, 99, 40)]), everything(40)).pattern
        for _ in range(60)
    )
    assert set(sampled) <= {cell.pattern for cell in cells}
    assert all(cell.witness.shape == (40,) for cell in cells)


def test_bounds_that_are_left_out_are_facets() -> None:
    columns, domain, _ = DOMAINS["ignored inputs of a box"]
    program = widened(BATTERY["no unit"](), columns)
    found = region_complex(program, domain)
    # lower and upper bounds of three coordinates and the lower bound of the fourth
    assert found.facet_counts == (7,) and Space(program, domain).bounds_left_out == 3


def test_full_rank_is_left_alone() -> None:
    domain = everything(3)
    assert reading_domain(random_mlp([3, 5, 2], 0), domain) == (domain, 0)
    assert reading_domain(random_mlp([3, 5, 2], 0), box([0] * 3, [1] * 3))[0].dimension == 3


def test_nothing_is_read() -> None:
    program = mlp([([[0, 0]], [1]), ([[1]], [0])])
    found = region_complex(program, box([0, 0], [1, None]))
    assert (len(found.cells), found.facet_counts, found.borders) == (1, (3,), ())


def test_too_large_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.polytope.reading.LARGEST", 3)
    domain = everything(5)
    assert reading_domain(widened(BATTERY["integer"](), FEW), domain) == (domain, 0)


def test_an_unlucky_prime_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program, domain = widened(BATTERY["integer"](), FEW), everything(5)
    monkeypatch.setattr("exactbox.polytope.reading.leading_columns", lambda *_: [0])
    assert reading_domain(program, domain)[0].dimension == 5


def test_what_is_read_where_vectors_meet() -> None:
    size = 4
    code: tuple[Instruction, ...] = (
        Input(size),
        Gather((0,), np.array([0, 1], dtype=np.int64)),
        relu(1, 2),
        Gather((2, 0), np.array([0, 3, -1, 1], dtype=np.int64)),
        relu(3, 4),
    )
    reads = read_directions(Program((Port("x", (size,)),), code, Port("y", (4,))))
    assert {tuple(map(int, row)) for row in reads.num} == {(1, 0, 0, 0), (0, 1, 0, 0)}
    added = (Input(2), Gather((0,), np.array([0, 1], dtype=np.int64)), relu(1, 2), Add(2, 0))
    reads = read_directions(Program((Port("x", (2,)),), added, Port("y", (2,))))
    assert {tuple(map(int, row)) for row in reads.num} == {(1, 0), (0, 1)}
    only = (Input(2), Max(0, np.array([[1, -1]], dtype=np.int64)))
    reads = read_directions(Program((Port("x", (2,)),), only, Port("y", (1,))))
    assert reads.num.tolist() == [[0, 1]]
