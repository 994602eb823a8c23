"""The comparison with onnxruntime finds planted mistakes, names the node, and never blames rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers import runtime
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import Lowered, load, lower_file
from exactbox.importers.runtime import Confirmation, confirm, random_points
from exactbox.polytope.errors import InternalError
from exactbox.polytope.exact import forward
from exactbox.polytope.program import Instruction, MatMul, Max, Program, Scale, Shift
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.simplify import simplify
from tests.importers.onnx_models import ML, build, mlp, save

node = helper.make_node


def lowered(model: onnx.ModelProto, folder: Path) -> Lowered:
    """Lower a model without comparing it."""
    return lower_file(read_onnx(save(model, folder), Limits()), None, {}, Limits())


def with_change(found: Lowered, kind: type[Instruction], change: Callable[[Any], Instruction]) -> Program:
    """Replace the first instruction of a kind."""
    instructions = list(found.program.instructions)
    place = next(i for i, item in enumerate(instructions) if isinstance(item, kind))
    instructions[place] = change(instructions[place])
    return replace(found.program, instructions=tuple(instructions))


def compare(found: Lowered, raw: Program) -> Confirmation:
    """Compare a (changed) program with the runtime."""
    return confirm(found.file, found.lowering, raw, simplify(raw), found.axis)


def flipped(values: Rationals) -> Rationals:
    """Change the sign of the first entry."""
    first, *rest = values.fractions()
    return from_fractions([-first, *rest], values.shape)


def nudged(values: Rationals) -> Rationals:
    """Change the first entry by one part in a thousand."""
    first, *rest = values.fractions()
    return from_fractions([first * Fraction(1001, 1000), *rest], values.shape)


class TestPlantedMistakes:
    def model(self) -> onnx.ModelProto:
        nodes = [
            node("Mul", ["x", "m"], ["a"], "mul"), node("Sub", ["a", "s"], ["b"], "sub"),
            node("Relu", ["b"], ["c"], "relu"), node("MatMul", ["c", "w"], ["y"], "matmul"),
        ]  # fmt: skip
        random = np.random.default_rng(4)
        shapes = {"m": (4,), "s": (4,), "w": (4, 3)}
        constants = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        return build(nodes, {"x": (1, 4)}, ["y"], constants)

    def test_nothing_is_found_where_nothing_is_wrong(self, tmp_path: Path) -> None:
        found = lowered(self.model(), tmp_path)
        result = compare(found, found.program)
        assert (result.status, result.tensors) == ("confirmed", 4)
        assert result.points == runtime.POINTS

    @pytest.mark.parametrize("change", [flipped, nudged])
    @pytest.mark.parametrize(
        ("kind", "name", "where"),
        [(Scale, "factor", "Mul 'mul'"), (Shift, "offset", "Sub 'sub'"), (MatMul, "weight", "MatMul 'matmul'")],
    )
    def test_a_wrong_constant_is_found_at_its_node(
        self, kind: type[Instruction], name: str, where: str, change: Callable[[Rationals], Rationals], tmp_path: Path
    ) -> None:
        found = lowered(self.model(), tmp_path)
        wrong = with_change(found, kind, lambda item: replace(item, **{name: change(getattr(item, name))}))
        with pytest.raises(InternalError, match=f"{where} is the first node that differs from onnxruntime"):
            compare(found, wrong)

    def test_a_wrong_candidate_is_found_at_its_node(self, tmp_path: Path) -> None:
        found = lowered(self.model(), tmp_path)
        wrong = with_change(found, Max, lambda item: Max(item.src, item.groups[::-1].copy()))
        with pytest.raises(InternalError, match="Relu 'relu' is the first node"):
            compare(found, wrong)

    def test_a_swapped_sign_of_sub_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A released importer reads Sub(x, c) as x + c."""
        from exactbox.importers.ops import elementwise

        plus = elementwise.plus
        monkeypatch.setattr(elementwise, "plus", lambda call, left, right, shape, sign: plus(call, left, right, shape))
        with pytest.raises(InternalError, match="Sub 'sub'"):
            load(save(self.model(), tmp_path))

    def test_a_simplification_that_changes_the_function_is_found(self, tmp_path: Path) -> None:
        found = lowered(self.model(), tmp_path)
        wrong = with_change(found, MatMul, lambda item: replace(item, weight=flipped(item.weight)))
        with pytest.raises(InternalError, match="simplified program differs"):
            confirm(found.file, found.lowering, found.program, simplify(wrong), found.axis)

    def test_a_wrong_shape_is_found(self, tmp_path: Path) -> None:
        nodes = [node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[2], strides=[2], ceil_mode=1)]
        found = lowered(build(nodes, {"x": (1, 1, 5)}), tmp_path)
        (mode,) = [item for item in found.file.proto.graph.node[0].attribute if item.name == "ceil_mode"]
        mode.i = 0
        with pytest.raises(InternalError, match=r"MaxPool 'pool'.*exactbox gives shape \(1, 1, 3\), onnxruntime"):
            compare(found, found.program)

    def test_a_misread_tail_is_found(self, tmp_path: Path) -> None:
        found = lowered(build([node("Softmax", ["x"], ["y"], "soft")], {"x": (1, 3)}), tmp_path)
        found.file.proto.graph.node[0].op_type = "Neg"
        with pytest.raises(InternalError, match="prefers another class"):
            compare(found, found.program)

    def test_a_misread_label_is_found(self, tmp_path: Path) -> None:
        nodes = [node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
        found = lowered(build(nodes, {"x": (1, 3)}, dtype=TensorProto.FLOAT), tmp_path)
        found.file.proto.graph.node[0].op_type = "ArgMin"
        found.file.proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
        with pytest.raises(InternalError, match="prefers another class"):
            compare(found, found.program)


class TestBounds:
    @pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e15])
    @pytest.mark.parametrize("seed", range(4))
    def test_random_networks_of_any_scale_stay_inside(self, scale: float, seed: int, tmp_path: Path) -> None:
        random = np.random.default_rng(seed)
        model = mlp(seed, (7, 9, 5))
        for tensor in model.graph.initializer:
            shape = tuple(tensor.dims)
            values = (random.standard_normal(shape) * scale).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        assert load(save(model, tmp_path)).confirmation.status == "confirmed"

    def test_cancellation_in_a_batch_normalisation_is_allowed_for(self, tmp_path: Path) -> None:
        """(x - mean) * scale + bias cancels almost everything; the bound counts magnitudes before that."""
        constants = {
            "s": np.array([1e4], np.float32), "b": np.array([1e7], np.float32), "m": np.array([1e3], np.float32),
            "v": np.array([0.3], np.float32),
        }  # fmt: skip
        nodes = [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])]
        model = load(save(build(nodes, {"x": (1, 1, 50)}, ["y"], constants), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert model.confirmation.max_difference > 0

    def test_folded_constants_carry_the_runtimes_own_error(self, tmp_path: Path) -> None:
        """The runtime rounds third * third; the exact product differs, and that is no mistake."""
        third = np.full((2, 2), 1 / 3, np.float32)
        nodes = [
            node("Mul", ["c", "c"], ["d"], "square"), node("MatMul", ["d", "d"], ["e"], "power"),
            node("MatMul", ["x", "e"], ["f"], "matmul"), node("Add", ["f", "d"], ["g"], "add"),
            node("Mul", ["g", "d"], ["h"], "mul"), node("Concat", ["h", "e"], ["y"], "concat", axis=0),
        ]  # fmt: skip
        model = load(save(build(nodes, {"x": (2, 2)}, ["y"], {"c": third}), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert model.confirmation.tensors == 6

    def test_a_folded_constant_that_is_wrong_is_found(self, tmp_path: Path) -> None:
        nodes = [node("Mul", ["c", "c"], ["d"], "square"), node("Add", ["x", "d"], ["y"], "add")]
        found = lowered(build(nodes, {"x": (2,)}, ["y"], {"c": np.array([3, 5], np.float32)}), tmp_path)
        found.file.proto.graph.node[0].op_type = "Add"
        with pytest.raises(InternalError, match="Mul 'square' is the first node"):
            compare(found, found.program)

    def test_overflow_in_the_runtime_is_not_judged(self, tmp_path: Path) -> None:
        nodes = [node("Mul", ["x", "c"], ["a"]), node("Mul", ["a", "c"], ["b"]), node("Mul", ["b", "t"], ["y"])]
        constants = {"c": np.array([1e25], np.float32), "t": np.array([1e-30], np.float32)}
        model = load(save(build(nodes, {"x": (2,)}, ["y"], constants), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert model.confirmation.bound == float("inf")

    def test_a_cast_to_a_shorter_type_is_the_identity_of_the_real_function(self, tmp_path: Path) -> None:
        nodes = [
            node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16), node("Cast", ["h"], ["f"], to=TensorProto.FLOAT),
            node("Sub", ["f", "x"], ["y"]),
        ]  # fmt: skip
        model = load(save(build(nodes, {"x": (1, 5)}), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert model.confirmation.max_difference > 0
        half = Fraction(1, 3)
        column = Rationals(np.full((5, 1), half.numerator, dtype=object), half.denominator)
        assert not forward(model.program, column).num.any()


class TestOtherOutcomes:
    def test_skipped(self, tmp_path: Path) -> None:
        confirmation = load(save(mlp(), tmp_path), verify=False).confirmation
        assert (confirmation.status, confirmation.warnings()) == ("skipped", ())

    def test_a_model_that_the_runtime_refuses_is_a_warning(self, tmp_path: Path) -> None:
        """There is no ZipMap for doubles."""
        nodes = [node("ZipMap", ["x"], ["y"], domain=ML, classlabels_int64s=[0, 1])]
        model = build(nodes, {"x": (1, 2)}, [onnx.ValueInfoProto(name="y")], dtype=TensorProto.DOUBLE)
        found = load(save(model, tmp_path))
        assert found.confirmation.status == "not confirmed"
        (warning,) = found.warnings
        assert warning.startswith("not confirmed by the runtime: ")

    def test_unused_inputs_are_fed_too(self, tmp_path: Path) -> None:
        model = build([node("Relu", ["x"], ["y"]), node("Neg", ["u"], ["v"])], {"x": (2,), "u": ("K", 3)}, ["y", "v"])
        assert load(save(model, tmp_path)).confirmation.status == "confirmed"


class TestRandomPoints:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8"])
    def test_they_survive_the_models_input_type(self, dtype: str, tmp_path: Path) -> None:
        program = lowered(mlp(), tmp_path).program
        typed = replace(program, inputs=(replace(program.inputs[0], dtype=dtype),))
        points = random_points(typed)
        assert np.array_equal(points, points.astype(dtype).astype(np.float64))
        assert points.shape == (3, runtime.POINTS)
        assert exact(points).shape == points.shape

    def test_they_are_the_same_every_time(self, tmp_path: Path) -> None:
        program = lowered(mlp(), tmp_path).program
        assert np.array_equal(random_points(program), random_points(program))
