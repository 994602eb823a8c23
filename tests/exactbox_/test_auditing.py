"""Audits on models whose float execution is known to part from the exact one, and on awkward data."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.audit_bench import WAYS, Setup, set_up
from exactbox.audit_chunk import Observed, examine
from exactbox.audit_report import blocks, document, words
from exactbox.auditing import Audit, audit, chunk_size
from exactbox.importers.deployed import RuntimeRefusal
from exactbox.loading import load
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at
from tests.exactbox_.onnx_nets import far_and_back, fixed_batch, saturated, scalar_sign
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
MLP, CNN, IRIS = (DATA / f"{name}.onnx" for name in ("digits_mlp", "digits_cnn", "iris_pipeline"))


def digits(count: int) -> tuple[Any, Any]:
    sklearn = pytest.importorskip("sklearn.datasets")
    values, labels = sklearn.load_digits(return_X_y=True)
    return (values[:count] / 16).astype(np.float32), labels[:count]


def seen(found: Audit, way: int = 0) -> Observed:
    one = found.found.ways[way]
    assert isinstance(one, Observed)
    return one


def test_a_lost_bit_flips_the_decision_in_every_way_of_running(tmp_path: Path) -> None:
    found = audit(far_and_back(tmp_path), np.array([[0.375, 0.25], [3.0, 0.25]], dtype=np.float32))
    assert found.found.chosen.tolist() == [0, 0]
    assert [seen(found, way).by_logits.tolist() for way in range(4)] == [[1, 0]] * 4
    assert found.flipped.tolist() == [True, False]
    assert found.found.holds.tolist() == [False, False]  # the bound is near 2, margins are 1/8 and 11/4
    assert seen(found).difference.tolist() == [0.375, 1.0]  # 2**24 + 3 rounds to an even number
    assert not seen(found).beyond.any()
    assert found.worst()[0] == 0
    assert "on 1 of 2 samples the deployed decision is not the exact one: rows 0" in words(found)


def test_a_wide_margin_is_proved(tmp_path: Path) -> None:
    found = audit(far_and_back(tmp_path), np.array([[64.0, 1.0], [1.0, 64.0]], dtype=np.float32))
    assert found.found.holds.tolist() == [True, True]
    assert (found.ratios > 2).all()
    assert not found.flipped.any()


def test_a_unit_that_is_off_in_float_only(tmp_path: Path) -> None:
    points = np.array([[0.375, 1.0], [2.0, 1.0], [0.0, 1.0], [-0.375, 1.0]], dtype=np.float32)
    found = audit(far_and_back(tmp_path, relu=True), points)
    assert found.found.units_off.tolist() == [1, 0, 0, 0]
    assert found.found.on_boundary.tolist() == [False, False, True, False]
    assert (found.units[0].units, found.units[0].dead, found.units[0].always_on) == (2, 0, 1)


def test_an_exact_tie_takes_the_lowest_index_and_nothing_is_proved(tmp_path: Path) -> None:
    found = audit(far_and_back(tmp_path), np.array([[0.25, 0.25]], dtype=np.float32))
    assert found.found.tied.tolist() == [True]
    assert found.found.margins == (Fraction(0),)
    assert found.found.distances == (Fraction(0),)
    assert (found.ratios.tolist(), found.found.holds.tolist()) == ([0.0], [False])
    assert any("exact tie" in sentence for sentence in words(found))


def test_a_saturated_tail_flips_where_the_logits_hold(tmp_path: Path) -> None:
    found = audit(saturated(tmp_path), np.array([[20.0, 30.0], [0.0, 1.0]], dtype=np.float32))
    assert found.bench.label == "y"
    assert seen(found).by_logits.tolist() == [1, 1]
    assert seen(found).by_head.tolist() == [0, 1]
    assert found.found.holds.tolist() == [True, True]
    assert "on 1 of these the float tail (Sigmoid, ArgMax) decides otherwise" in words(found)


def test_a_batch_that_the_file_fixes_is_not_run_and_said(tmp_path: Path) -> None:
    found = audit(fixed_batch(tmp_path), np.array([[1.0, 2.0], [3.0, 1.0]], dtype=np.float32))
    assert [isinstance(one, RuntimeRefusal) for one in found.found.ways] == [WAYS[i].batched for i in range(4)]
    assert document(found)["ways"][1]["reason"] == "the file fixes the number of samples at one"


def test_a_sign(tmp_path: Path) -> None:
    points = np.array([[1.0, 0.5], [0.5, 1.0], [1.0, 1.0]], dtype=np.float32)
    found = audit(scalar_sign(tmp_path), points, [1, 0, 1], decision="sign")
    assert found.found.chosen.tolist() == [1, 0, 0]
    assert found.found.distances == (Fraction(1, 4), Fraction(1, 4), Fraction(0))
    assert found.labels is not None and found.labels.tolist() == [1, 0, 1]
    assert [sample["decision"] for sample in document(found)["samples"]] == ["positive", "not positive", "not positive"]


def test_nothing_decided_compares_outputs_only(tmp_path: Path) -> None:
    found = audit(scalar_sign(tmp_path), np.array([[1.0, 0.5]], dtype=np.float32))
    assert not found.decides
    assert found.found.margins == (None,)
    summary = document(found)["summary"]
    assert (summary["flips"], summary["smallest_margin"], summary["largest_difference"]) == (None, None, 0.0)
    with pytest.raises(InputError, match="decides nothing"):
        audit(scalar_sign(tmp_path), np.array([[1.0, 0.5]]), [1])


@pytest.mark.parametrize("model,count", [(MLP, 12), (CNN, 3)], ids=["mlp", "cnn"])
def test_values_distances_and_regions_are_those_of_the_region_at_each_sample(model: Path, count: int) -> None:
    points, _ = digits(count)
    found = audit(model, points)
    program = found.bench.program
    for i in range(count):
        point = exact(points[i].astype(np.float64))
        region = region_at(program, point, everything(program.input_size))
        values = region.value(point)
        assert np.array_equal(found.found.outputs[i], values.to_float())
        chosen = int(found.found.chosen[i])
        gaps = [(values.item(chosen) - values.item(k), region.coef[chosen] - region.coef[k])
                for k in range(10) if k != chosen]  # fmt: skip
        nearest = min(gap / sum(abs(v) for v in w.fractions()) for gap, w in gaps)
        assert found.found.distances[i] == nearest
        assert found.found.margins[i] == min(gap for gap, _ in gaps)


def test_every_difference_lies_within_the_bound() -> None:
    points, labels = digits(64)
    for model in (MLP, CNN):
        found = audit(model, points, labels)
        for way in range(4):
            assert (seen(found, way).difference <= found.found.bound).all()
        assert found.found.holds.all() and not found.flipped.any()
        assert found.labels is not None and (found.labels == found.found.chosen).mean() > 0.95


def test_all_digits() -> None:
    found = audit(MLP, *digits(1797))
    summary = document(found)["summary"]
    assert (summary["samples"], summary["flips"], summary["proved_to_hold"]) == (1797, 0, 1797)
    assert (summary["regions"], summary["samples_sharing_a_region"], summary["pattern_differences"]) == (1709, 153, 0)
    assert (summary["correct"], summary["exact_ties"], summary["regions_undecided"]) == (1786, 0, 0)
    assert found.worst()[0] == 857  # read as 3, labelled 7


def test_the_box_bounds_distances() -> None:
    points, _ = digits(4)
    free, boxed = audit(MLP, points), audit(MLP, points, box=(0, 1))
    pairs = list(zip(free.found.distances, boxed.found.distances, strict=True))
    assert all(inner is None or (outer is not None and outer <= inner) for outer, inner in pairs)
    assert any(outer != inner for outer, inner in pairs)
    with pytest.raises(InputError, match="row 0 of the data lies outside the box"):
        audit(MLP, points, box=("1/2", 1))
    assert box([0], [1]).is_box


def test_duplicates_share_a_region_and_everything_else() -> None:
    points, _ = digits(1)
    found = audit(MLP, np.repeat(points, 3, axis=0))
    assert len(set(found.found.regions)) == 1
    assert document(found)["summary"]["samples_sharing_a_region"] == 3
    assert len(set(found.found.margins)) == 1
    assert sum(layer.dead + layer.always_on for layer in found.units) == 96  # one sample settles every unit


def test_zero_variance_and_one_sample() -> None:
    for points in (np.zeros((1, 64)), np.zeros((5, 64)), np.zeros((1, 1, 64))[0]):
        found = audit(MLP, points)
        assert found.count == len(points)
        assert len(set(found.found.chosen.tolist())) == 1


def test_several_inputs_and_csv_labels(tmp_path: Path) -> None:
    rows = (DATA / "iris_samples.csv").read_text().splitlines()
    found = audit(IRIS, DATA / "iris_samples.csv")
    names = [found.bench.plan.name(k) for k in found.found.chosen.tolist()]
    (tmp_path / "y.csv").write_text("species\n" + "\n".join(names) + "\n")
    again = audit(IRIS, DATA / "iris_samples.csv", tmp_path / "y.csv")
    assert again.count == len(rows) - 1
    assert document(again)["summary"]["accuracy"] == 1.0
    assert again.bench.label is not None and not again.flipped.any()


def test_chunks_and_workers_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = digits(40)
    whole = document(audit(MLP, points, labels))
    monkeypatch.setattr("exactbox.auditing.CHUNK_SAMPLES", 7)
    parts = document(audit(MLP, points, labels))
    monkeypatch.setattr("exactbox.auditing.PATIENCE", 0.0)
    spread = document(audit(MLP, points, labels, workers=2))
    assert parts == spread
    exact_parts = ("margin_exact", "distance_exact", "region", "outputs", "decision", "holds", "on_a_boundary")
    assert [[s[key] for key in exact_parts] for s in whole["samples"]] == [
        [s[key] for key in exact_parts] for s in parts["samples"]
    ]
    assert whole["units"] == parts["units"]


def test_chunk_size_depends_on_the_model_alone() -> None:
    bench = set_up(Setup(str(CNN)))
    assert 1 <= chunk_size(bench) <= 128
    points, _ = digits(2)
    one = examine(bench, np.ascontiguousarray(points.T, dtype=np.float64), 0)
    assert one.outputs.shape == (2, 10)


def test_distances_can_be_left_out() -> None:
    points, _ = digits(2)
    found = audit(MLP, points, distances=False)
    assert found.found.distances == (None, None)
    assert document(found)["summary"]["distances_skipped"] == "not asked for"


BAD = [
    ("nan", lambda x: np.where(np.arange(len(x))[:, None] == 2, np.nan, x), "row 2, entry 0: expected a finite number"),
    ("inf", lambda x: x + np.where(np.arange(64) == 5, np.inf, 0), "row 0, entry 5: expected a finite number, got inf"),
    ("wrong width", lambda x: x[:, :63], r"expects samples of shape \[1, 64\].*got an array of shape \[4, 63\]"),
    ("no sample", lambda x: x[:0], "holds no samples"),
    ("overflow", lambda x: x + 1e300, "row 0, entry 0: 1e.300 overflows float32"),
    ("text", lambda x: np.full(x.shape, "a"), "expected a number"),
]


@pytest.mark.parametrize("what,spoil,message", BAD, ids=[case[0] for case in BAD])
def test_bad_data_is_refused_with_its_row(what: str, spoil: object, message: str) -> None:
    points, _ = digits(4)
    with pytest.raises(InputError, match=message):
        audit(MLP, spoil(points.astype(np.float64)))  # type: ignore[operator]


LABELS = [
    ("too few", [1, 2], "expected 4 labels, one a sample, got 2"),
    ("unknown", [0, 1, 2, 11], "row 3: '11' is none of the classes 0, 1"),
    ("half", [0.0, 0.5, 1.0, 2.0], "row 1: expected a class, got 0.5"),
    ("missing", ["0", "1", "", "2"], "row 2: the label is missing"),
    ("a matrix", [[0, 1], [1, 2], [0, 0], [1, 1]], "expected one label a sample"),
]


@pytest.mark.parametrize("what,labels,message", LABELS, ids=[case[0] for case in LABELS])
def test_bad_labels_are_refused(what: str, labels: object, message: str) -> None:
    points, _ = digits(4)
    with pytest.raises(InputError, match=message):
        audit(MLP, points, labels)


class TestPreprocessing:
    """Raw data: the exact side is preprocessed exactly, the runtime is fed with rounded numbers."""

    def test_the_exact_side_is_that_of_certify(self) -> None:
        points, _ = digits(6)
        raw = np.round(points.reshape(6, -1) * 16)
        found = audit(MLP, raw, mean="0.1", std=16)
        model = load(MLP, mean="0.1", std=16)
        for i in range(6):
            values = region_at(model.program, exact(raw[i]), everything(64)).value(exact(raw[i]))
            assert np.array_equal(found.found.outputs[i], values.to_float())
        assert not any(way.beyond.any() for way in found.found.ways[:1] if isinstance(way, Observed))
        assert not found.flipped.any()

    def test_the_bound_covers_the_rounding_of_the_input(self, tmp_path: Path) -> None:
        """y = x0 - x1 in float32 is fed with thirds: what is left is the rounding of the input alone."""
        found = audit(scalar_sign(tmp_path), np.array([[1.0, 0.0], [2.0, 1.0]]), std=3, decision="sign")
        third = Fraction(1, 3)
        off = abs(Fraction(float(np.float32(1 / 3))) - third)
        assert found.found.margins == (third, third)
        assert seen(found).difference[0] == pytest.approx(float(off), rel=1e-6)
        assert not seen(found).beyond.any()
        assert (found.found.bound >= float(off)).all()
        assert any("raw values x" in line for _, lines in blocks(found) for line in lines)
        assert "rounded to float32" in document(found)["data"]["preprocessing"]

    def test_boxes_and_distances_are_of_raw_values(self, tmp_path: Path) -> None:
        found = audit(scalar_sign(tmp_path), np.array([[30.0, 10.0]]), mean=5, std=10, decision="sign", box=(0, 40))
        assert found.found.distances == (Fraction(10),)

    def test_a_number_that_the_type_cannot_hold(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="overflows the type"):
            audit(scalar_sign(tmp_path), np.array([[1.0, 0.5]]), std="1e-60", decision="sign")

    def test_the_wrong_count(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="mean: got 3 numbers"):
            audit(scalar_sign(tmp_path), np.array([[1.0, 0.5]]), mean=[1, 2, 3], decision="sign")
