"""What is said across the borders of regions: radii of the decision, and whose weights are stated at a tie."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from exactbox import across
from exactbox.across import held_words, shared_words
from exactbox.certifying import certify
from exactbox.documents import document
from exactbox.findings import not_claimed
from exactbox.loading import Model
from exactbox.plots import picture_of
from exactbox.polytope.domain import box, everything
from exactbox.polytope.meeting import others_meet
from exactbox.polytope.program import CONSTANT_ZERO, Gather, Input, MatMul, Max, Port, Program, Shift
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at, regions_at
from exactbox.report import summary
from tests.exactbox_.programs import kink
from tests.nets import mlp
from tests.polytope.degenerate_nets import FAMILIES, Draw

SIDE = 6


def image_net() -> Program:
    """Return a convolution of two channels over a 6x6 image, Relu and MaxPool as one, and a dense layer."""
    places = [(r, c) for r in range(SIDE) for c in range(SIDE)]
    patches = [
        [(r + i) * SIDE + c + j if r + i < SIDE and c + j < SIDE else CONSTANT_ZERO for i in (0, 1) for j in (0, 1)]
        for r, c in places
    ]
    kernel = exact([[[1, "-1/2", "1/4", 1], [-1, 1, "1/2", "-3/4"]]])
    windows = [
        [CONSTANT_ZERO, *(((r + i) * SIDE + c + j) * 2 + channel for i in (0, 1) for j in (0, 1))]
        for channel in (0, 1)
        for r in range(0, SIDE, 2)
        for c in range(0, SIDE, 2)
    ]
    weights = np.random.default_rng(5).integers(-8, 9, (1, 3, len(windows)))
    code = (
        Input(SIDE * SIDE),
        Gather((0,), np.array(patches, dtype=np.int64).ravel()),
        MatMul(1, kernel, len(places)),
        Shift(2, exact([0, "1/8"] * len(places))),
        Max(3, np.array(windows, dtype=np.int64)),
        MatMul(4, exact(weights), 1),
        Shift(5, exact([0, 0, 3])),
    )
    return Program((Port("x", (1, 1, SIDE, SIDE)),), code, Port("y", (1, 3)))


def flat_image() -> list[float]:
    """Return an image that is black but for a few pixels."""
    image = np.zeros((SIDE, SIDE))
    image[2:4, 2:4] = [[0.5, 0.25], [1, 0.75]]
    return list(map(float, image.ravel()))


@pytest.mark.parametrize("measure", [None, True])
def test_on_a_flat_background_the_decision_holds_beyond_the_tie(model: Model, measure: bool | None) -> None:
    found = certify(Model(model.source, image_net()), flat_image(), box=(0, 1), measure=measure, minimal=False)
    assert found.margin and found.shared and found.held is not None and found.distances is not None
    assert found.distances.decision["linf"].value == 0
    radius = found.held["linf"].radius
    assert radius is not None and radius > 0
    assert found.held["l1"].radius is not None and found.held["l1"].radius >= radius
    text = "\n".join(line for _, lines in summary(found) for line in lines)
    assert f"no other decision within: L-inf {float(radius):.3g}" in text and "not part of the certificate" in text
    assert "those of one of the regions that meet at the input" in text
    assert "those of one of the regions that meet at the input" in picture_of(found).caption
    data = json.loads(json.dumps(document(found)))
    assert Fraction(data["held"]["linf"]["exact"]) == radius and data["held"]["in_certificate"] is False
    assert data["region"]["others_contain_the_input"] is True
    assert data["explanation"]["note"] == shared_words(found)


def test_no_image_within_the_radius_is_decided_otherwise(model: Model) -> None:
    found = certify(Model(model.source, image_net()), flat_image(), box=(0, 1), minimal=False)
    assert found.held is not None and found.decision is not None
    radius = found.held["linf"].radius
    assert radius is not None
    rng = np.random.default_rng(2)
    for _ in range(200):
        steps = rng.integers(-1, 2, SIDE * SIDE).tolist()
        moved = (Fraction(v) + radius * s for v, s in zip(flat_image(), steps, strict=True))
        point = [min(max(v, Fraction(0)), Fraction(1)) for v in moved]
        near = certify(found.model, point, exact_input=True, measure=False, minimal=False)
        assert near.decision is not None and near.decision.chosen == found.decision.chosen and near.margin


def test_inside_a_region_nothing_is_said_of_others(model: Model) -> None:
    found = certify(Model(model.source, kink()), [2, 1], box=(-3, 3))
    assert found.shared is False and shared_words(found) == ""
    assert document(found)["explanation"]["note"] is None
    assert document(found)["region"]["others_contain_the_input"] is False


def test_a_tie_in_the_decision_has_no_radius(model: Model) -> None:
    found = certify(Model(model.source, kink()), [2, 1])
    assert found.margin == 0 and found.held is not None
    assert {one.radius for one in found.held.values()} == {0}
    assert held_words(found).endswith("none, the decision is a tie at the input")


def test_the_whole_domain_may_decide_alike(model: Model) -> None:
    found = certify(Model(model.source, kink()), [0, 2], box=("-1/2", "5/2"), eps="1/4")
    assert "the whole domain decides alike" in held_words(found)
    assert document(found)["held"]["linf"] is None
    assert any("but for the distances across" in sentence for sentence in not_claimed(found))


def test_a_radius_that_is_left_out_has_a_reason(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Model(model.source, kink())
    assert certify(net, [0, 2], measure=False).skipped["held"] == "not asked for"
    assert "nothing that could be decided" in certify(net, [0, 2], decision="none").skipped["held"]
    assert held_words(certify(net, [0, 2], decision="none")) == ""
    monkeypatch.setattr(across, "BUDGET", 10)
    found = certify(net, [0, 2])
    assert found.held is None and "exceeds the budget" in found.skipped["held"]
    assert found.skipped["held"] in held_words(found)
    assert not any("but for" in sentence for sentence in not_claimed(found))


def test_many_rivals_are_not_compared_in_memory_that_nobody_granted(model: Model) -> None:
    rows = exact([[[i % 3] for i in range(5000)]])
    wide = Program((Port("x", (1, 1)),), (Input(1), MatMul(0, rows, 1)), Port("y", (1, 5000)))
    found = certify(Model(model.source, wide), [1])
    assert "4999 rivals among 5000 outputs" in found.skipped["held"]


def test_where_enclosures_prove_nothing_that_is_said(model: Model) -> None:
    huge = mlp([([[10**300]], [0]), ([[10**300]], [0]), ([[1], [-1]], [0, 1])])
    found = certify(Model(model.source, huge), [1])
    assert found.margin and "no radius was proved" in held_words(found)
    assert not any("but for" in sentence for sentence in not_claimed(found))


def test_a_unit_that_only_touches_the_domain_lets_no_other_region_meet() -> None:
    inside = region_at(kink(), exact([0, 1]), everything(2))
    assert others_meet(inside) is True
    assert others_meet(region_at(kink(), exact([0, 1]), box([0, 0], [1, 1]))) is False
    assert others_meet(region_at(kink(), exact([2, 1]), everything(2))) is False


@pytest.mark.parametrize("name", FAMILIES)
def test_others_meet_where_more_than_one_region_contains_the_point(name: str) -> None:
    for seed in range(6):
        program = FAMILIES[name](Draw(seed), 2)
        if not program.output_size:
            continue
        for domain in (everything(program.input_size), box([0] * program.input_size, [1] * program.input_size)):
            for corner in ([0] * program.input_size, ["1/2"] * program.input_size, [1] * program.input_size):
                point = exact(corner)
                found = regions_at(program, point, domain, budget=2)
                said = others_meet(region_at(program, point, domain))
                assert said is None or said == (len(found.regions) > 1 or not found.complete)
