"""The main verb in Python: what it finds, what it skips and says, and what it refuses."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from exactbox.certifying import Certified, row_count
from exactbox.certifying import certify as certify_with_opinion
from exactbox.loading import Model, load
from exactbox.polytope import exact as interpreter
from exactbox.polytope.domain import box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import exact
from exactbox.progress import Silent
from tests.exactbox_.programs import kink
from tests.source_tree import REPOSITORY

certify = functools.partial(certify_with_opinion, opinion_seconds=0)

DATA = REPOSITORY / "exactbox" / "data"
IRIS_ROW = DATA / "iris_samples.csv"


@pytest.fixture(scope="module")
def iris() -> Model:
    return load(DATA / "iris_pipeline.onnx", verify=False)


@pytest.fixture(scope="module")
def digits() -> Model:
    return load(DATA / "digits_mlp.onnx", verify=False)


@pytest.fixture(scope="module")
def flower(iris: Model) -> Certified:
    return certify(iris, IRIS_ROW, row=1)


def test_affine_map_is_the_network_at_the_input(flower: Certified) -> None:
    at_input = interpreter.forward(flower.program, flower.input.point.reshape(-1, 1)).reshape(-1)
    assert flower.values.equals(at_input)
    assert flower.coef_exact.shape == (3, 4)


def test_contributions_and_intercept_add_up_exactly(flower: Certified) -> None:
    assert flower.target is not None
    total = sum(flower.contributions.fractions(), flower.intercept_exact.item(flower.target))
    assert total == flower.values.item(flower.target)


def test_float_views_are_the_rounded_exact_numbers(flower: Certified) -> None:
    assert np.asarray(flower.coef, float).tolist() == [[float(v) for v in row.fractions()] for row in flower.coef_exact]
    assert [float(v) for v in flower.intercept] == flower.intercept_exact.to_float().tolist()
    assert flower.coef.equals(flower.region.coef) and np.asarray(flower.coef, float).dtype == np.float64


def test_decision_is_named_and_has_a_margin(flower: Certified) -> None:
    assert flower.class_name == "versicolor"
    values = flower.values.fractions()
    assert flower.margin == values[1] - max(values[0], values[2])


def test_features_are_named_by_the_header(flower: Certified) -> None:
    assert flower.input_names[0] == "sepal length (cm)"
    assert flower.input.changed == 3


def test_everything_cheap_is_done(flower: Certified) -> None:
    assert flower.skipped == {"opinion": "not asked for"}
    assert flower.minimal is not None and flower.minimal.undecided == ()
    assert flower.distances is not None and flower.distances.region["linf"].value is not None


def test_second_opinion(iris: Model) -> None:
    found = certify_with_opinion(iris, IRIS_ROW, row=1, box=(0, 8))
    assert found.opinion is not None and found.opinion.agrees
    assert found.skipped == {}
    without = certify_with_opinion(iris, IRIS_ROW, row=1, minimal=False)
    assert (without.opinion, without.skipped["opinion"]) == (None, "facets are not known")


def test_path_instead_of_a_model() -> None:
    assert certify(DATA / "iris_pipeline.onnx", IRIS_ROW, row=0, minimal=False).class_name == "setosa"


@pytest.mark.parametrize(("target", "index"), [(0, 0), ("virginica", 2), ("1", 1)])
def test_another_target(iris: Model, target: int | str, index: int) -> None:
    found = certify(iris, IRIS_ROW, row=1, target=target, minimal=False)
    assert (found.target, found.class_name) == (index, "versicolor")
    assert found.weights.equals(found.coef_exact[index])


def test_no_decision_no_target(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, decision="none", minimal=False)
    assert (found.decision, found.target, found.margin, found.class_name) == (None, None, None, None)
    assert found.distances is not None and found.distances.decision == {}
    with pytest.raises(InputError, match="no output is explained"):
        found.weights  # noqa: B018


def test_smallest_class_wins_arg_min(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, decision="argmin", minimal=False)
    assert found.decision is not None
    assert found.values.item(found.decision.chosen) == min(found.values.fractions())


def test_sign_of_a_target(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, decision="sign", target="setosa", minimal=False)
    assert (found.target, found.class_name, found.margin) == (0, "not positive", abs(found.values.item(0)))


def test_class_names_of_the_user() -> None:
    model = load(DATA / "digits_mlp.onnx", verify=False, class_names=[f"digit {i}" for i in range(10)])
    found = certify(model, DATA / "digits_samples.npz", row=5, minimal=False, measure=False, target="digit 7")
    assert (found.class_name, found.target) == ("digit 1", 7)


def test_dict_of_inputs(iris: Model) -> None:
    assert certify(iris, {"X": [5.5, 3.5, 1.3, 0.2]}, minimal=False).class_name == "setosa"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"box": (0, 8)}, "the box [0, 8] for every input"),
        ({"lower": [0, 0, 0, 0]}, "a box|the box"),
        ({"domain": everything(4)}, "a given box of dimension 4"),
        ({"eps": "0.1"}, "L-infinity distance at most 1/10 from the input"),
        ({}, "all of R^d: no box given"),
    ],
)
def test_domains(iris: Model, arguments: dict[str, object], expected: str) -> None:
    found = certify(iris, IRIS_ROW, row=1, minimal=False, measure=False, **arguments)  # type: ignore[arg-type]
    assert any(part in found.domain.text for part in expected.split("|"))


def test_domain_with_rows_has_no_distances_but_facets(iris: Model) -> None:
    sum_below = domain_from_rows([0] * 4, [9] * 4, [[1, 1, 1, 1]], [20])
    found = certify(iris, IRIS_ROW, row=1, domain=sum_below)
    assert found.skipped["distances"] == "the closed form needs a box domain"
    assert found.minimal is not None
    assert found.domain.text == "a given polytope of 1 row and some bounds of dimension 4"


def test_ball_within_a_domain_with_rows(iris: Model) -> None:
    sum_below = domain_from_rows([0] * 4, [9] * 4, [[1, 1, 1, 1]], [20])
    found = certify(iris, IRIS_ROW, row=1, domain=sum_below, eps="1/2", minimal=False)
    assert found.domain.domain.upper[2] == 5
    assert len(found.domain.domain.rows) == 1


def test_ball_of_radius_zero_is_one_point(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, eps=0)
    assert found.domain.domain.dimension == 0
    assert found.minimal is not None and found.minimal.facets == ()
    assert found.class_name == "versicolor"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box": (0, 1), "lower": 0}, "give one of domain, box, or lower and upper"),
        ({"box": (0, 1)}, r"the box .0, 1. for every input: sepal length .cm. is 5\.69999980926513"),
        ({"box": (1, 0)}, "coordinate 0 is empty"),
        ({"domain": everything(3)}, "domain: expected 4 coordinates, got 3"),
        ({"target": "rose"}, "unknown class 'rose': expected one of 0 to 2, or a name: setosa, versicolor, virginica"),
        ({"target": 3}, "unknown class '3'"),
        ({"decision": "vote"}, "decision: expected one of argmax"),
        ({"row": 10}, "row 10 does not exist"),
        ({"row": None}, "holds 10 samples; choose one with row=I"),
        ({"eps": -1}, "eps: expected one number that is not negative"),
    ],
)
def test_refused(iris: Model, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        certify(iris, IRIS_ROW, **{"row": 1, **arguments})  # type: ignore[arg-type]


def test_costly_parts_are_skipped_with_a_reason(digits: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.certifying.MINIMAL_BUDGET", 100)
    monkeypatch.setattr("exactbox.certifying.DISTANCE_BUDGET", 200)
    found = certify(digits, DATA / "digits_samples.npz", row=0, box=(0, 1))
    assert (found.minimal, found.distances) == (None, None)
    words = "96 rows and 64 inputs exceed the budget: minimal=True does decide them"
    assert found.skipped["minimal"] == words
    assert "measure=True does compute them" in found.skipped["distances"]


def test_not_asked_for_is_a_reason_too(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, minimal=False, measure=False)
    assert (found.skipped["minimal"], found.skipped["distances"]) == ("not asked for", "not asked for")


def test_preprocessing_is_stated_in_raw_units(iris: Model) -> None:
    plain = certify(iris, [5.5, 3.5, 1.25, 0.25], minimal=False)
    scaled = load(DATA / "iris_pipeline.onnx", verify=False, mean=1, std="1/4")
    raw = certify(scaled, [exact(v).item() / 4 + 1 for v in (5.5, 3.5, 1.25, 0.25)], minimal=False)
    assert raw.values.equals(plain.values)
    assert raw.weights.equals(plain.weights.scaled(4))
    assert raw.distances is not None and plain.distances is not None
    assert raw.distances.region["linf"].value == (plain.distances.region["linf"].value or 0) / 4


def test_tie_takes_the_first_class() -> None:
    model = load(DATA / "iris_pipeline.onnx", verify=False)
    tied = Model(model.source, kink())
    found = certify(tied, ["1/2", "1/4"], exact_input=True, box=(0, 1))
    assert found.decision is not None
    assert (found.decision.chosen, found.decision.ties) == (0, (1,))
    assert found.margin == 0


def test_input_on_a_boundary_has_a_full_dimensional_region() -> None:
    model = load(DATA / "iris_pipeline.onnx", verify=False)
    found = certify(Model(model.source, kink()), [0, 0], box=(-1, 1))
    assert found.distances is not None and found.distances.region["linf"].value == 0
    assert found.region.contains(found.region.witness)
    assert np.any(found.region.rows.slack(found.region.witness).num > 0)


def test_row_count_counts_rivals(digits: Model) -> None:
    assert row_count(digits.program) == len(certify(digits, np.zeros(64), minimal=False).region.rows)
    assert row_count(kink()) == 1


def test_stages_are_told(iris: Model) -> None:
    heard: list[str] = []

    class Ear(Silent):
        def begin(self, text: str) -> None:
            heard.append(text)

    certify(iris, IRIS_ROW, row=0, watcher=Ear())
    assert heard == ["region", "distances", "facets", "radius"]


def test_refused_model(shared_models: Path) -> None:
    paths = sorted(shared_models.rglob("*mnist2x5_sigmoid*.onnx")) + sorted(shared_models.rglob("*sigmoid*.onnx"))
    if not paths:
        pytest.skip("no such model in shared/models")
    with pytest.raises(UnsupportedModelError, match="Sigmoid"):
        load(paths[0], verify=False)


def test_box_built_by_hand(iris: Model) -> None:
    found = certify(iris, IRIS_ROW, row=1, domain=box([0] * 4, [8] * 4))
    assert found.minimal is not None
    assert {found.minimal.sources[i].kind for i in found.minimal.facets} == {"unit", "lower", "upper"}
