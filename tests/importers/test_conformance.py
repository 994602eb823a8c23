"""The standard's own cases: none wrong, and what is refused is refused for a reviewed reason."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.importers.conformance import DISPUTED, Dispute, Outcome, by_onnxruntime, by_reference, run, with_constants
from tests.importers.conformance_cases import KINDS, Case, cases, stated_inputs
from tests.importers.onnx_models import AnyArray, build

# Cases that the table calls piecewise linear in the stated inputs and that do not agree: the whole list.
_RANDOM = "drops entries at random, by a generator that the standard does not fix"
EXCEPTIONS = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad":
        "inputs and expected numbers were rounded to four digits, each by themselves",
    "test_training_dropout": _RANDOM,
    "test_training_dropout_default": _RANDOM,
    "test_training_dropout_default_mask": _RANDOM,
    "test_training_dropout_mask": _RANDOM,
    "test_reduce_max_empty_set": "the maximum of nothing is expected to be minus infinity",
    "test_reduce_min_empty_set": "the minimum of nothing is expected to be infinity",
}

# Operators without a lowering, as some case needs them: the whole list.
NOT_KNOWN = {
    "BitCast": "no function of real numbers",
    "BitwiseNot": "whole numbers",
    "BitwiseXor": "whole numbers",
    "BlackmanWindow": "a constant of cosines",
    "HammingWindow": "a constant of cosines",
    "HannWindow": "a constant of cosines",
    "MelWeightMatrix": "a constant of logarithms",
    "Range": "its length depends on its bounds",
    "ImageDecoder": "reads files",
    "CausalConvWithState": "its expanded forms are lowered",
}

# What a refusal may say besides; each is checked by the tests of the operators that say it.
REASONS = (
    "not piecewise linear", "continuity not shown", "product of two data tensors", "division by data", "random",
    "depends on the model's input", "computes with text", "not finite", "no real number", "trees jump",
    r"^arithmetic on (bool|u?int\d+) constants$", "operators of the domain 'ai.onnx.preview",
)  # fmt: skip

# The main list, which is lowered whatever the attributes are; whole numbers are another matter.
WHOLE = {
    "MatMul", "Gemm", "MaxPool", "AveragePool", "Relu", "LeakyRelu", "PRelu", "Clip", "Abs", "Max", "Min",
    "HardSigmoid", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice", "Gather", "Pad", "Shape",
    "Identity", "Expand", "ReduceMean", "GatherND", "Neg", "Sum", "Mean", "Tile", "Einsum", "CumSum", "ConvTranspose",
    "DepthToSpace", "SpaceToDepth", "Trilu", "Conv", "BatchNormalization", "NegativeLogLikelihoodLoss", "Compress",
    "ReverseSequence", "SequenceMap", "SplitToSequence", "SequenceInsert", "OptionalGetElement", "OptionalHasElement",
    "DequantizeLinear", "EyeLike",
}  # fmt: skip
_OTHER_MATTERS = ("training mode", "arithmetic on")

AGREEING = {"node": 926, "simple": 13, "pytorch-converted": 66, "pytorch-operator": 28}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The cases' own generators overflow on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def known() -> dict[str, Case]:
    """Read every case once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: case for case in cases()}


@pytest.fixture(scope="module")
def outcomes(known: Mapping[str, Case], tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Run every case once."""
    folder: Path = tmp_path_factory.mktemp("conformance")
    return [run(case, folder) for case in known.values()]


class TestAllCases:
    def test_every_kind_that_the_package_ships_is_run(self, outcomes: list[Outcome]) -> None:
        assert [kind for kind in KINDS if any(item.kind == kind for item in outcomes)] == list(KINDS)
        assert len(outcomes) >= 2000

    def test_no_case_is_wrong(self, outcomes: list[Outcome]) -> None:
        assert [item for item in outcomes if item.status == "wrong"] == []

    def test_disputed_cases_are_the_reviewed_ones(self, outcomes: list[Outcome]) -> None:
        assert {item.case for item in outcomes if item.status == "disputed"} == set(DISPUTED)

    def test_most_cases_agree(self, outcomes: list[Outcome]) -> None:
        counts = Counter(item.kind for item in outcomes if item.status == "agree")
        assert [kind for kind, least in AGREEING.items() if counts[kind] < least] == [], counts
        assert sum(item.status == "tail" for item in outcomes) >= 77

    def test_every_refusal_gives_a_reviewed_reason(self, outcomes: list[Outcome]) -> None:
        refused = [item for item in outcomes if item.status == "refused"]
        unlisted = {item.case: item.detail for item in refused if not item.refusals}
        assert set(unlisted) == {"test_ai_onnx_ml_label_encoder_string_int_no_default"}
        assert all("expected a category it knows" in detail for detail in unlisted.values())
        reasons = {(op, why) for item in refused for op, why in item.refusals}
        missing = "not an operator that exactbox can lower exactly"
        assert {op for op, why in reasons if why == missing} == set(NOT_KNOWN)
        others = [(op, why) for op, why in reasons if why != missing]
        assert [pair for pair in others if not any(re.search(text, pair[1]) for text in REASONS)] == []

    def test_operators_that_are_lowered_are_not_refused(self, outcomes: list[Outcome]) -> None:
        filed = [item for item in outcomes if item.status == "refused" and item.kind == "node" and item.op in WHOLE]
        assert [item for item in filed if not any(text in item.detail for text in _OTHER_MATTERS)] == []


@pytest.fixture(scope="module")
def stated(
    known: Mapping[str, Case],
    outcomes: list[Outcome],
    shared_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Outcome]:
    """Run the cases of a table beside the checkout once more where it states other inputs than those that varied."""
    folder: Path = tmp_path_factory.mktemp("stated")
    found = {item.case: item for item in outcomes}
    for name, row in stated_inputs(shared_models / "onnx_conformance_cases.tsv").items():
        case, wanted = known[name], row["variable_inputs"]
        found[name] = found[name] if case.choices(wanted) == [found[name].varied] else run(case, folder, wanted)
    return {name: found[name] for name in stated_inputs(shared_models / "onnx_conformance_cases.tsv")}


class TestStatedInputs:
    """With exactly those inputs varying that the table states."""

    def test_all_agree_but_the_exceptions(self, stated: Mapping[str, Outcome]) -> None:
        assert {name for name, item in stated.items() if item.status != "agree"} == set(EXCEPTIONS)
        refused = {name for name in EXCEPTIONS if stated[name].status == "refused"}
        assert refused == set(EXCEPTIONS) - set(DISPUTED)
        assert all(stated[name].refusals for name in refused)

    def test_at_least_98_percent_of_the_node_cases_agree(self, stated: Mapping[str, Outcome]) -> None:
        nodes = [item for item in stated.values() if item.kind == "node"]
        assert sum(item.status == "agree" for item in nodes) >= 0.98 * len(nodes)
        assert all(item.status == "agree" for item in stated.values() if item.kind != "node")


def test_the_disputed_average_is_that_of_rounded_inputs(known: Mapping[str, Case]) -> None:
    """Nine entries, five of them padding: by hand, and by onnx's own reference."""
    case = known["test_averagepool_2d_ceil_last_window_starts_on_pad"]
    given, expected = next(iter(case.inputs.values())), next(iter(case.outputs.values())).ravel()
    by_hand = [sum((Fraction(value) for value in channel.ravel().tolist()), Fraction(0)) / 9 for channel in given[0]]
    digits = [Fraction(round(float(number) * 10**4), 10**4) for number in expected]
    assert [float(np.float32(float(number))) for number in digits] == expected.tolist()
    rounded_by = [abs(value - number) for value, number in zip(by_hand, digits, strict=True)]
    assert all(Fraction(1, 10**6) < gap < Fraction(1, 10**4) for gap in rounded_by)
    model, feeds = with_constants(case, case.inputs)
    found = [Fraction(float(number)) for number in np.asarray(by_reference(model, feeds)[0]).ravel()]
    assert all(abs(value - number) < Fraction(1, 10**7) for value, number in zip(by_hand, found, strict=True))


def tampered(case: Case, name: str, change: AnyArray) -> Case:
    """Return a case that expects something else."""
    return replace(case, outputs={**case.outputs, name: change})


class TestTheRunner:
    """It finds what is off, by however little."""

    def test_a_number_outside_of_the_bound_is_wrong(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        for name, ulps in (("test_relu", 1), ("test_identity", 1), ("test_sub", 2), ("test_gemm_all_attributes", 999)):
            case = known[name]
            place, expected = next(iter(case.outputs.items()))
            changed = expected.copy()
            worst = np.unravel_index(np.argmax(changed), changed.shape)
            changed[worst] += ulps * np.spacing(changed[worst])
            assert run(case, tmp_path).status == "agree"
            assert run(tampered(case, place, changed), tmp_path).status == "wrong"

    @pytest.mark.parametrize(
        ("name", "attribute"),
        [
            ("test_averagepool_2d_ceil", "ceil_mode"), ("test_maxpool_2d_dilations", "dilations"),
            ("test_gemm_alpha", "alpha"), ("test_gemm_transposeB", "transB"), ("test_leakyrelu", "alpha"),
            ("test_convtranspose_group_2", "group"), ("test_cumsum_1d_exclusive", "exclusive"),
            ("test_averagepool_2d_pads_count_include_pad", "count_include_pad"), ("test_batchnorm_epsilon", "epsilon"),
            ("test_hardsigmoid", "beta"), ("test_depthtospace_crd_mode_example", "mode"),
            ("test_concat_2d_axis_1", "axis"), ("test_nllloss_NCd1_ii", "ignore_index"),
            ("test_split_to_sequence_nokeepdims", "keepdims"),
        ],
    )  # fmt: skip
    def test_an_importer_that_ignored_an_attribute_would_be_wrong(
        self, name: str, attribute: str, known: Mapping[str, Case], tmp_path: Path
    ) -> None:
        """A model without the attribute is what such an importer reads: it is seen, or refused."""
        case = known[name]
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        (node,) = [item for item in model.graph.node if any(a.name == attribute for a in item.attribute)]
        kept = [item for item in node.attribute if item.name != attribute]
        del node.attribute[:]
        node.attribute.extend(kept)
        assert run(case, tmp_path).status == "agree"
        assert run(replace(case, model=model), tmp_path).status in ("wrong", "refused")

    def test_a_difference_read_as_a_sum_is_wrong(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        case = known["test_sub"]
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        model.graph.node[0].op_type = "Add"
        assert run(replace(case, model=model), tmp_path).status == "wrong"

    def test_an_infinite_bound_is_no_agreement(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        node = helper.make_node("Mul", ["x", "c"], ["y"])
        model = build([node], {"x": (1,)}, ["y"], {"c": np.array([2.0**100], np.float32)})
        del model.graph.input[:]
        given = np.array([2.0**100], np.float32)
        case = Case("made", "node", "Mul", model, {"x": given}, {"y": np.array([1.0], np.float32)}, (("x",),))
        assert run(case, tmp_path).status == "wrong"
        overflow = tampered(case, "y", np.array([np.inf], np.float32))
        assert run(overflow, tmp_path).detail == "output 'y': no entry is a real number"

    def test_whole_numbers_shapes_and_order_are_compared(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        shape = known["test_shape"]
        assert "expected" in run(tampered(shape, "y", shape.outputs["y"] + 1), tmp_path).detail
        relu = known["test_relu"]
        assert "shape" in run(tampered(relu, "y", relu.outputs["y"][:1]), tmp_path).detail
        softmax = known["test_softmax_example"]
        assert run(softmax, tmp_path).status == "tail"
        turned = run(tampered(softmax, "y", softmax.outputs["y"][:, ::-1].copy()), tmp_path)
        assert turned.status == "wrong", turned

    def test_every_tensor_of_a_sequence_is_compared(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        case = known["test_sequence_map_add_2_sequences"]
        assert list(case.outputs) == ["y0.length", "y0[0]", "y0[1]", "y0[2]"]
        assert case.floats == (("x0[0]", "x0[1]", "x0[2]"), ("x1[0]", "x1[1]", "x1[2]"))
        assert run(tampered(case, "y0[2]", case.outputs["y0[2]"] + 1), tmp_path).status == "wrong"
        assert run(tampered(case, "y0.length", case.outputs["y0.length"] + 1), tmp_path).status == "wrong"

    def test_an_infinite_input_reaches_its_own_entry_only(self, known: Mapping[str, Case], tmp_path: Path) -> None:
        case = known["test_cast_FLOAT16_to_FLOAT"]
        expected = case.outputs["output"]
        assert not np.isfinite(expected).all()
        assert run(case, tmp_path).status == "agree"
        beside = np.where(np.isfinite(expected), expected + np.float32(1), expected)
        assert run(tampered(case, "output", beside), tmp_path).status == "wrong"

    def test_a_dispute_needs_its_witness(
        self, known: Mapping[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = known["test_relu"]
        off = tampered(case, "y", case.outputs["y"] + 1)
        assert run(off, tmp_path).status == "wrong"
        for witness, status in ((by_onnxruntime, "disputed"), (lambda _m, _f: [off.outputs["y"]], "wrong")):
            monkeypatch.setitem(DISPUTED, case.name, Dispute("made up", witness))
            assert run(off, tmp_path).status == status


class TestReading:
    def test_inputs_vary_as_stated_and_others_are_constants(self, known: Mapping[str, Case]) -> None:
        case = known["test_where_example"]
        assert case.choices("all float inputs") == [frozenset({"x", "y"})]
        assert case.choices("first float input") == [frozenset({"x"})]
        assert case.choices("second float input") == [frozenset({"y"})]
        assert case.choices(None) == [frozenset({"x", "y"}), frozenset({"x"}), frozenset({"y"})]
        model, feeds = with_constants(case, {"y"})
        assert [item.name for item in model.graph.input] == list(feeds) == ["y"]
        assert {"condition", "x"} <= {item.name for item in model.graph.initializer}

    def test_a_parameter_never_varies(self, known: Mapping[str, Case]) -> None:
        assert known["test_training_dropout_zero_ratio"].choices("all float inputs") == [frozenset({"x"})]

    def test_a_case_without_floats_has_nothing_to_vary(self, known: Mapping[str, Case]) -> None:
        assert known["test_loop13_seq"].choices(None) == [frozenset()]

    def test_optionals_and_stored_formats_are_read(self, known: Mapping[str, Case]) -> None:
        option = known["test_optional_get_element_optional_tensor"]
        assert list(option.inputs) == ["optional_input.value"]
        assert [node.op_type for node in option.model.graph.node] == ["Optional", "OptionalGetElement"]
        narrow = known["test_castlike_FLOAT8E5M2_to_FLOAT"]
        assert narrow.inputs["input"].dtype.name == "float8_e5m2"
        assert narrow.floats[0] == ("input",)

    def test_files_are_read_like_made_cases(self, known: Mapping[str, Case]) -> None:
        case = known["test_sequence_model1"]
        assert (case.kind, list(case.outputs)) == ("simple", ["out"])
        weights = known["test_Linear"]
        assert (weights.kind, len(weights.inputs), weights.op) == ("pytorch-converted", 1, "Gemm")

    def test_expanded_functions_are_filed_apart(self, known: Mapping[str, Case]) -> None:
        assert known["test_softmax_axis_0"].op == "Softmax"
        assert known["test_softmax_axis_0_expanded_ver18"].op == "Softmax (expanded)"
        assert known["test_sequence_map_add_2_sequences_expanded"].op == "SequenceMap (expanded)"
