"""Results on degenerate nets: the map is the network inside, the distances hold, and the checker agrees."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.certifying import Certified, certify
from exactbox.loading import Model, load
from exactbox.polytope import exact as interpreter
from exactbox.polytope.canonical import program_text
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.saving import claims, info
from exactbox.verify import check as checker
from exactbox.verify.certificate import certificate_text, program_file
from tests.nets import BATTERY
from tests.source_tree import REPOSITORY

SOURCE = load(REPOSITORY / "exactbox" / "data" / "iris_pipeline.onnx", verify=False).source
COORDINATES = st.integers(-4, 4).map(lambda n: Fraction(n, 2))


def certified(name: str, point: list[Fraction], radius: Fraction) -> Certified:
    program = BATTERY[name]()
    model = Model(SOURCE, program)
    return certify(model, point, exact_input=True, eps=radius, opinion_seconds=0)


def outputs(found: Certified, point: Rationals) -> Rationals:
    return interpreter.forward(found.program, point.reshape(-1, 1)).reshape(-1)


@pytest.mark.parametrize("name", sorted(BATTERY))
@given(data=st.data())
def test_map_and_distance(name: str, data: st.DataObject) -> None:
    size = BATTERY[name]().input_size
    point = data.draw(st.lists(COORDINATES, min_size=size, max_size=size))
    found = certified(name, point, Fraction(3))
    assert found.distances is not None
    reach = found.distances.region["linf"].value
    limit = Fraction(3) if reach is None else reach
    shares = data.draw(st.lists(st.integers(-7, 7), min_size=size, max_size=size))
    inside = from_fractions([x + limit * share / 8 for x, share in zip(point, shares, strict=True)])
    assert found.region.contains(inside)
    assert outputs(found, inside).equals(found.region.value(inside))
    assert outputs(found, found.region.witness).equals(found.region.value(found.region.witness))


@pytest.mark.parametrize("name", sorted(BATTERY))
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 2), Fraction(-2)])
def test_checker_accepts(name: str, start: Fraction) -> None:
    found = certified(name, [start] * BATTERY[name]().input_size, Fraction(2))
    text = certificate_text(found.region, claims(found), info(found))
    report = checker.check(text.encode(), lambda name: program_text(found.program).encode())
    assert program_file(report.program_sha256) in text
    assert any("facets" in line for line in report.lines)
