"""Regions by the facade: at a point, and all at a point."""

import pytest

import exactbox
from exactbox.polytope.domain import box
from exactbox.polytope.errors import InputError
from exactbox.regions import region_at, regions_at
from tests.exactbox_.programs import kink
from tests.source_tree import REPOSITORY


def test_one_region() -> None:
    region = region_at(kink(), [2, 1])
    assert [str(v) for v in region.coef.fractions()] == ["1", "-1", "0", "1"]


def test_all_regions_at_a_kink() -> None:
    found = regions_at(kink(), [0, 1])
    assert (len(found.regions), found.complete) == (2, True)
    assert len(regions_at(kink(), [0, 1], domain=box([0, 0], [1, 1])).regions) == 1


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
