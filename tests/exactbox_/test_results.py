"""What is said about a result: the summary, the data for JSON, the figures, the listing."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.certifying import Certified, certify
from exactbox.documents import document, floats, number
from exactbox.findings import features, logit_words, nearest, not_claimed, row_counts, tie_words
from exactbox.listing import counts, details, listing, region_lines
from exactbox.loading import Model, load
from exactbox.measures import geometry, open_sides
from exactbox.nearest import row_name
from exactbox.polytope.distance import distance
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.program import Input, Max, Port, Program
from exactbox.polytope.rational import exact
from exactbox.polytope.rows import RowSource
from exactbox.report import print_blocks, root, summary
from tests.exactbox_.programs import bounds, kink
from tests.nets import mlp
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
FLOWERS = DATA / "iris_samples.csv"


@pytest.fixture(scope="module")
def iris() -> Model:
    return load(DATA / "iris_pipeline.onnx", verify=False)


@pytest.fixture(scope="module")
def flower(iris: Model) -> Certified:
    return certify(iris, FLOWERS, row=1, box=(0, 8), opinion_seconds=0)


def of_program(program: Program, point: object, **options: object) -> Certified:
    """Certify a program that comes from no file."""
    model = load(DATA / "iris_pipeline.onnx", verify=False)
    return certify(Model(model.source, program), point, exact_input=True, opinion_seconds=0, **options)  # type: ignore[arg-type]


def test_document_is_strict_json(flower: Certified) -> None:
    text = json.dumps(flower.as_dict(), allow_nan=False)
    assert json.loads(text) == flower.as_dict()


def test_document_holds_the_exact_numbers(flower: Certified) -> None:
    found = document(flower)
    assert [Fraction(v) for v in found["explanation"]["coef_exact"]] == flower.weights.fractions()
    assert [Fraction(v) for v in found["input"]["values_exact"]] == flower.input.point.fractions()
    assert Fraction(found["decision"]["margin"]["exact"]) == flower.margin
    linf = found["distances"]["decision"]["linf"]
    assert flower.distances is not None
    assert Fraction(linf["exact"]) == flower.distances.decision["linf"].value
    assert math.isclose(found["distances"]["region"]["l2"]["float"] ** 2,
                        float(Fraction(found["distances"]["region"]["l2"]["exact_square"])))  # fmt: skip


def test_contributions_add_up_in_the_document(flower: Certified) -> None:
    part = document(flower)["explanation"]
    total = sum(part["contributions"]) + part["intercept"]["float"]
    assert math.isclose(total, part["value"]["float"], rel_tol=2.0**-40)


def test_counts_of_rows_add_up(flower: Certified) -> None:
    found = row_counts(flower)
    assert found is not None and flower.minimal is not None
    assert sum(vars(found).values()) == len(flower.minimal.verdicts) == 16


def test_nearest_facets_are_sorted_and_exact(flower: Certified) -> None:
    found = nearest(flower, 3)
    sizes = [one.linf for one in found]
    assert sizes == sorted(sizes) and len(found) == 3
    rows = {source: row for source, row in zip(flower.region.rows.sources, flower.region.rows.matrix, strict=True)}
    assert all(abs(rows[one.source][one.inputs[0]]) == max(abs(rows[one.source])) for one in found)
    assert flower.distances is not None and sizes[0] == flower.distances.region["linf"].value


def test_nearest_without_distances_is_empty(iris: Model) -> None:
    assert nearest(certify(iris, FLOWERS, row=1, measure=False, minimal=False), 5) == []


def test_distance_of_the_decision_is_that_of_all_rows(flower: Certified) -> None:
    assert flower.distances is not None
    for norm in ("l1", "linf", "l2"):
        whole = distance(flower.domain.domain, flower.distances.rows, flower.input.point, norm)
        merged = flower.distances.decision[norm]
        assert (merged.value, merged.binding, merged.multipliers) == (whole.value, whole.binding, whole.multipliers)


def test_features_are_sorted_by_contribution(flower: Certified) -> None:
    sizes = [abs(one.contribution) for one in features(flower)]
    assert sizes == sorted(sizes, reverse=True)
    assert [one.index for one in features(flower)] == [2, 3, 0, 1]
    assert logit_words(flower) == "0.951159 = contributions -5.47934 + intercept 6.4305"


def test_no_target_no_features(iris: Model) -> None:
    found = certify(iris, FLOWERS, row=1, decision="none", minimal=False, measure=False)
    assert (features(found), logit_words(found), document(found)["explanation"]) == ([], "", None)
    lines = dict(summary(found))
    assert lines["features"] == ["no output is explained; target=K chooses one"]
    assert lines["distances"] == ["not asked for"]
    assert lines["decision"] == ["none is stated"]
    assert "a decision: none is stated" in not_claimed(found)


def test_claims_name_the_replaced_constants() -> None:
    found = certify(DATA / "digits_cnn.onnx", np.zeros((1, 1, 8, 8)), minimal=False, measure=False)
    (sentence,) = [one for one in not_claimed(found) if "f~" in one]
    assert "BatchNormalization 'bn1': 8 of the form 1/sqrt(variance + epsilon); " in sentence


def test_claims_mention_preprocessing() -> None:
    model = load(DATA / "iris_pipeline.onnx", verify=False, mean=1)
    found = certify(model, [1, 2, 3, 4], minimal=False, measure=False)
    assert any("preprocessing" in one for one in not_claimed(found))
    assert any("(x - 1) / 1 is composed exactly in front" in line for line in dict(summary(found))["model"])


def test_ties_are_said() -> None:
    tied = of_program(kink(), ["1/2", "1/4"], box=(0, 1))
    assert tie_words(tied) == "an exact tie with output 1; ONNX takes the first index"
    zero = of_program(kink(), ["1/4", "1/4"], box=(0, 1), decision="sign", target=0)
    assert (zero.class_name, tie_words(zero)) == ("not positive", "a tie: the output is exactly 0")


def test_a_point_on_the_boundary_is_said() -> None:
    found = of_program(kink(), [0, "1/4"], box=(-1, 1))
    assert any("lies on its boundary" in line for line in dict(summary(found))["region"])


def test_domain_of_lower_dimension_is_said() -> None:
    found = of_program(kink(), [0, "1/4"], lower=[-1, "1/4"], upper=[1, "1/4"])
    assert "1 of 2 dimensions" in dict(summary(found))["domain"][0]


def test_size_in_two_dimensions() -> None:
    found = of_program(kink(), ["1/2", "1/8"], box=(-1, 1))
    assert found.geometry is not None and found.geometry.vertices is not None
    assert len(found.geometry.vertices) == 4
    assert found.geometry.volume == 2
    assert found.geometry.bounding_box == (bounds(0, 1), bounds(-1, 1))
    assert found.geometry.ball is not None and found.geometry.ball.radius == Fraction(1, 2)
    assert "4 vertices; volume 2" in dict(summary(found))["region"]
    assert document(found)["region"]["geometry"]["volume"] == {"float": 2.0, "exact": "2"}


def test_size_of_an_unbounded_region() -> None:
    found = of_program(kink(), ["1/2", "1/8"])
    assert found.geometry is not None
    assert (found.geometry.volume, found.geometry.skipped["volume"]) == (None, "infinite")
    lines = dict(summary(found))["region"]
    assert any("unbounded in 2 inputs" in line for line in lines) and any("volume infinite" in line for line in lines)


def test_size_beyond_the_budget_has_a_reason(flower: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.measures.BOX_BUDGET", 0)
    assert flower.minimal is not None and open_sides(flower.minimal) > 0
    found = geometry(flower.minimal)
    assert found.bounding_box is None and "exceed the budget of 0" in found.skipped["bounding_box"]
    assert geometry(flower.minimal, everything=True).bounding_box is not None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (RowSource("unit", 2, 0, 0), "max2[0] switches off"),
        (RowSource("unit", 2, 0, 1), "max2[0] switches on"),
        (RowSource("lower", 1), "the lower bound of b"),
        (RowSource("upper", 0), "the upper bound of a"),
        (RowSource("domain", 3), "row 3 of the domain"),
        (RowSource("decision", 0, 0, 1), "dog overtakes cat"),
        (RowSource("decision", 0, 5, -1), "output 5 changes its sign"),
    ],
)
def test_rows_in_words(source: RowSource, words: str) -> None:
    assert row_name(kink(), source, ("a", "b"), {0: "cat", 1: "dog"}) == words


def test_row_of_a_wide_maximum() -> None:
    pool = Program((Port("x", (3,)),), (Input(3), Max(0, np.array([[0, 1, 2]]))), Port("y", (1,)))
    assert row_name(pool, RowSource("unit", 1, 0, 2), ("a",) * 3, {}) == "max1[0] has candidate 2 as its winner"


def test_listing_of_a_small_net() -> None:
    net = mlp([([[1, 2], [3, 4], [5, 6]], [1, 2, 3]), ([[1, 1, 1]], [0])])
    lines = listing(net)
    assert lines[1] == "  1  matmul        3  of 0, 3x2"
    assert lines[3] == "  3  max           3  of 2, 2 candidates with the constant 0"
    assert counts(net) == "6 instructions, 2 inputs, 3 units, 1 output, 9 weights"
    assert details(Max(0, np.array([[0, 1, 2], [0, -2, -2]]))) == "of 0, 1 to 3 candidates"


def test_region_in_symbols() -> None:
    found = region_lines(mlp([([[1, -1]], [1]), ([[2]], [0])]), exact([3, 1]))
    assert found == {"rows": ["x0 is x[0]", "x1 is x[1]", "x0 - x1 + 1 >= 0"], "outputs": ["y[0] = 2*x0 - 2*x1 + 2"]}


def test_region_of_a_linear_model_has_no_row() -> None:
    rows = region_lines(mlp([([[1, -1]], [1])]), exact([0, 0]))["rows"]
    assert rows[-1] == "no row: one affine map holds on all of R^d"


@pytest.mark.parametrize("to_stderr", [False, True])
def test_blocks_are_wrapped_between_words(capsys: pytest.CaptureFixture[str], to_stderr: bool) -> None:
    path = "/a" * 100
    print_blocks([("label", ["word " * 30, f"  {path}"]), ("empty", []), ("b", ["c"])], "Title", to_stderr=to_stderr)
    shown = capsys.readouterr()[int(to_stderr)].splitlines()
    assert shown[0] == "Title"
    assert shown[1].startswith("label  word word") and shown[2].startswith("       word")
    assert max(len(line) for line in shown if path not in line) <= 110
    assert any(line.endswith(path) for line in shown)
    assert shown[-2:] == ["empty", "b      c"]


def test_large_programs_are_not_printed() -> None:
    wide = mlp([([[1] * 17], [0])])
    with pytest.raises(BudgetError, match="expected at most 64 units and 16 inputs, got 0 units and 17 inputs"):
        region_lines(wide, exact([0] * 17))


@given(st.fractions(min_value=0))
def test_root_is_near(square: Fraction) -> None:
    found = root(square)
    assert found * found <= square
    assert square == 0 or (found * (1 + Fraction(1, 2**40))) ** 2 >= square


def test_numbers_that_no_float_holds() -> None:
    huge = Fraction(10) ** 400
    assert number(huge) == {"float": None, "exact": "1" + "0" * 400}
    assert floats(exact([huge, 1])) == [None, 1.0]
    assert number(None) is None
