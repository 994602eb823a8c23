"""Regions by the facade: at a point, and all at a point."""

import random
from fractions import Fraction

import pytest

import exactbox
from exactbox.polytope.distance import NORMS
from exactbox.polytope.domain import box
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact
from exactbox.regions import region_at, regions_at
from tests.exactbox_.programs import kink
from tests.nets import mlp
from tests.polytope.degenerate_nets import FAMILIES, Draw
from tests.source_tree import REPOSITORY


def test_one_region() -> None:
    region = region_at(kink(), [2, 1])
    assert [str(v) for v in region.coef.fractions()] == ["1", "-1", "0", "1"]


def test_all_regions_at_a_kink() -> None:
    found = regions_at(kink(), [0, 1])
    assert (len(found.regions), found.complete) == (2, True)
    assert len(regions_at(kink(), [0, 1], domain=box([0, 0], [1, 1])).regions) == 1


def test_the_union_of_the_regions_at_a_kink_reaches_to_the_next() -> None:
    # |x| + |2x - 1| changes at 0 and at 1/2
    net = mlp([([[1], [-1], [2], [-2]], [0, 0, -1, 1]), ([[1, 1, 1, 1]], [0])])
    found = regions_at(net, [0])
    assert len(found.regions) == 2
    assert [found.distance(norm) for norm in NORMS] == [Fraction(1, 2) ** (1 + (norm == "l2")) for norm in NORMS]
    assert regions_at(kink(), [0, 1]).distance("l1") is None
    with pytest.raises(InputError, match="not all regions at the point are known"):
        regions_at(kink(), [0, 1], budget=1).distance("linf")


@pytest.mark.parametrize("name", ["bias-free", "integer", "convolution and max-pool", "max-pool over twins"])
def test_all_points_below_the_distance_lie_in_the_union(name: str) -> None:
    rng = random.Random(name)
    for seed in range(8):
        program = FAMILIES[name](Draw(seed), 2)
        for corner in ([0, 0], [1, 0], [1, 1]):
            found = regions_at(program, corner, domain=box([-2, -2], [2, 2]))
            reach = found.distance("linf")
            for _ in range(10):
                step = [Fraction(rng.randint(-99, 99), 100) * (2 if reach is None else reach) for _ in corner]
                point = [min(max(v + s, Fraction(-2)), Fraction(2)) for v, s in zip(corner, step, strict=True)]
                assert any(region.contains(exact(point)) for region in found.regions)


def test_budget() -> None:
    found = regions_at(kink(), [0, 1], budget=1)
    assert (len(found.regions), found.complete) == (1, False)
    assert "undecided" in found.reason


def test_outside_the_domain() -> None:
    with pytest.raises(InputError, match=r"the input lies outside the domain, a given box of dimension 2: x.0. is 2"):
        region_at(kink(), [2, 1], domain=box([0, 0], [1, 1]))


def test_of_a_model_by_the_public_names() -> None:
    net = exactbox.load(REPOSITORY / "exactbox" / "data" / "iris_pipeline.onnx", verify=False)
    region = exactbox.region_at(net, [5, 3, 1, 1], domain=exactbox.box([0] * 4, [9] * 4))
    assert region.coef.shape == (3, 4)
    assert exactbox.regions_at(net, "5,3,1/3,1", exact_input=True, domain=exactbox.everything(4)).complete
