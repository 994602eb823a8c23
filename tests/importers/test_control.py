"""Branches and loops: their bodies are lowered once a turn, and nothing that depends on the input steers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.inventory import inventory
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import Model, load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, Shape, build, reference, save, tensor_info, with_functions

node: Callable[..., onnx.NodeProto] = helper.make_node
BOOL, INT = TensorProto.BOOL, TensorProto.INT64


def graph(
    nodes: list[onnx.NodeProto], inputs: Mapping[str, tuple[Shape, int]], outputs: Mapping[str, int]
) -> onnx.GraphProto:
    """Make a subgraph; the shapes of its outputs are left open."""
    declared = [tensor_info(name, shape, kind) for name, (shape, kind) in inputs.items()]
    return helper.make_graph(nodes, "body", declared, [tensor_info(n, None, kind) for n, kind in outputs.items()])


def loop_body(*nodes: onnx.NodeProto, going: str = "going_in", scanned: tuple[str, ...] = ()) -> onnx.GraphProto:
    """Make a loop body that carries ``h`` over to ``h2``."""
    steer = [node("Identity", [going], ["going_out"])]
    inputs: dict[str, tuple[Shape, int]] = {"i": ((), INT), "going_in": ((), BOOL), "h": ((2,), TensorProto.FLOAT)}
    outputs = {"going_out": BOOL, "h2": TensorProto.FLOAT, **dict.fromkeys(scanned, TensorProto.FLOAT)}
    return graph([*nodes, *steer], inputs, outputs)


STEP = [node("MatMul", ["h", "w"], ["z"], "mix"), node("Relu", ["z"], ["h2"], "bend")]
W = np.array([[2, -1], [1, -3]], np.float32)


def agrees(proto: onnx.ModelProto, folder: Path, output: str | None = None, confirmed: bool = True) -> Model:
    """Load a model and compare it at whole inputs with the reference implementation, bit by bit."""
    model = load(save(proto, folder), output=output)
    assert model.confirmation.status == ("confirmed" if confirmed else "not confirmed"), model.confirmation
    place = [item.name for item in proto.graph.output].index(output) if output else 0
    for seed in range(3):
        point = np.random.default_rng(seed).integers(-3, 4, model.program.input_size)
        feeds: dict[str, AnyArray] = {}
        start = 0
        for port in model.program.inputs:
            feeds[port.name] = point[start : start + port.size].reshape(port.shape).astype(port.dtype)
            start += port.size
        expected = reference(proto, feeds)[place]
        found = exact.forward(model.program, Rationals(int_array(point.tolist()).reshape(-1, 1)))
        assert model.program.output.shape == expected.shape
        assert found.to_float().ravel().tolist() == expected.astype(np.float64).ravel().tolist()
    return model


def loop_model(body: onnx.GraphProto, turns: int | None, *outputs: str) -> onnx.ModelProto:
    """Make a model of one loop over ``x`` (2,)."""
    constants = {"w": W} | ({} if turns is None else {"turns": np.array(turns)}) | {"yes": np.array(True)}
    names = ["" if turns is None else "turns", "yes", "x"]
    return build([node("Loop", names, list(outputs), "again", body=body)], {"x": (2,)}, outputs, constants)


class TestIf:
    THEN = graph([node("Relu", ["x"], ["a"], "bend")], {}, {"a": TensorProto.FLOAT})
    ELSE = graph([node("Add", ["x", "c"], ["b"], "shift")], {}, {"b": TensorProto.FLOAT})

    def choice(self, condition: AnyArray | None) -> onnx.ModelProto:
        branches = {"then_branch": self.THEN, "else_branch": self.ELSE}
        known = {"c": np.array([3, -4], np.float32)} | ({} if condition is None else {"k": condition})
        before = [node("ReduceSum", ["x"], ["t"], keepdims=0), node("Cast", ["t"], ["k"], to=BOOL)]
        steer = before if condition is None else []
        return build([*steer, node("If", ["k"], ["y"], "fork", **branches)], {"x": (2,)}, constants=known)

    @pytest.mark.parametrize("truth", [True, False])
    def test_a_constant_condition_chooses(self, truth: bool, tmp_path: Path) -> None:
        model = agrees(self.choice(np.array(truth)), tmp_path)
        assert any(("bend" if truth else "shift") in item.node for item in model.program.provenance)

    def test_a_condition_that_depends_on_the_input_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError) as caught:
            load(save(self.choice(None), tmp_path))
        assert {item.op for item in caught.value.refusals} <= {"If", "Cast"}

    def test_a_condition_of_two_values_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError, match="not one truth value"):
            load(save(self.choice(np.array([True, False])), tmp_path))

    def test_branches_nest_and_read_names_from_all_graphs_around(self, tmp_path: Path) -> None:
        inner = node("If", ["no"], ["deep"], "inner", then_branch=self.THEN, else_branch=self.ELSE)
        outer = graph([inner, node("Neg", ["deep"], ["n"])], {}, {"n": TensorProto.FLOAT})
        known = {"c": np.array([3, -4], np.float32), "yes": np.array(True), "no": np.array(False)}
        top = node("If", ["yes"], ["y"], "outer", then_branch=outer, else_branch=self.ELSE)
        agrees(build([top], {"x": (2,)}, constants=known), tmp_path)

    def test_a_branch_that_reads_what_nothing_makes_is_malformed(self, tmp_path: Path) -> None:
        lost = graph([node("Relu", ["nowhere"], ["a"])], {}, {"a": TensorProto.FLOAT})
        model = build(
            [node("If", ["k"], ["y"], "fork", then_branch=lost, else_branch=lost)], {"x": (2,)},
            constants={"k": np.array(True)},
        )  # fmt: skip
        with pytest.raises(InputError, match="reads 'nowhere', which nothing makes"):
            load(save(model, tmp_path))

    def test_a_missing_branch_is_malformed(self, tmp_path: Path) -> None:
        model = build(
            [node("If", ["k"], ["y"], "fork", then_branch=self.THEN)], {"x": (2,)}, constants={"k": np.array(True)}
        )
        with pytest.raises(InputError, match="else_branch: expected a graph"):
            load(save(model, tmp_path))


class TestLoop:
    @pytest.mark.parametrize("turns", [0, 1, 3])
    def test_turns_are_unrolled(self, turns: int, tmp_path: Path) -> None:
        agrees(loop_model(loop_body(*STEP), turns, "y"), tmp_path)

    def test_units_name_their_turn(self, tmp_path: Path) -> None:
        model = agrees(loop_model(loop_body(*STEP), 3, "y"), tmp_path)
        labels = {item.node for item in model.program.provenance if "bend" in item.node}
        assert labels == {f"Loop 'again' turn {i}: Relu 'bend'" for i in range(3)}

    def test_what_a_body_scans_is_stacked(self, tmp_path: Path) -> None:
        body = loop_body(*STEP, node("Neg", ["z"], ["seen"]), scanned=("seen",))
        proto = loop_model(body, 3, "y", "all")
        assert agrees(proto, tmp_path, "all").program.output.shape == (3, 2)

    def test_the_turns_number_is_a_constant_of_the_body(self, tmp_path: Path) -> None:
        pick = [node("Gather", ["w", "i"], ["row"]), node("Add", ["h", "row"], ["h2"])]
        agrees(loop_model(loop_body(*pick), 2, "y"), tmp_path)

    def test_a_condition_on_the_turn_ends_the_loop(self, tmp_path: Path) -> None:
        count = [node("Constant", [], ["two"], value_int=2), node("Less", ["i", "two"], ["more"])]
        agrees(loop_model(loop_body(*STEP, *count, going="more"), 9, "y"), tmp_path)
        agrees(loop_model(loop_body(*STEP, *count, going="more"), None, "y"), tmp_path)

    def test_a_condition_on_the_input_is_refused(self, tmp_path: Path) -> None:
        steer = [node("ReduceMax", ["h"], ["top"], keepdims=0), node("Cast", ["top"], ["more"], to=BOOL)]
        with pytest.raises(UnsupportedModelError) as caught:
            load(save(loop_model(loop_body(*STEP, *steer, going="more"), 3, "y"), tmp_path))
        assert {item.op for item in caught.value.refusals} <= {"Loop", "Cast"}

    def test_a_curved_operator_inside_is_named(self, tmp_path: Path) -> None:
        body = loop_body(node("Sin", ["h"], ["s"], "wave"), node("Add", ["s", "h"], ["h2"]))
        path = save(loop_model(body, 3, "y"), tmp_path)
        with pytest.raises(UnsupportedModelError) as caught:
            load(path)
        assert [(item.op, item.node) for item in caught.value.refusals] == [("Sin", "wave")]
        assert inventory(path).status == "refused"

    def test_no_turn_scans_nothing_of_a_known_shape(self, tmp_path: Path) -> None:
        body = loop_body(*STEP, node("Neg", ["z"], ["seen"]), scanned=("seen",))
        with pytest.raises(UnsupportedModelError, match="not known"):
            load(save(loop_model(body, 0, "y", "all"), tmp_path), output="all")

    @pytest.mark.parametrize("turns", [10**6, 2**62])
    def test_a_huge_number_of_turns_is_refused_by_a_limit(self, turns: int, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="raise the limit"):
            load(save(loop_model(loop_body(*STEP), turns, "y"), tmp_path))

    def test_a_loop_without_an_end_is_refused_by_a_limit(self, tmp_path: Path) -> None:
        path = save(loop_model(loop_body(*STEP), None, "y"), tmp_path)
        with pytest.raises(InputError, match="nodes of unrolled subgraphs: expected at most 50"):
            load(path, limits=Limits(unrolled_nodes=50))

    def test_a_raised_limit_allows_more_turns(self, tmp_path: Path) -> None:
        path = save(loop_model(loop_body(*STEP), 4, "y"), tmp_path)
        with pytest.raises(InputError, match="nodes of 4 turns"):
            load(path, limits=Limits(unrolled_nodes=15))
        assert load(path, limits=Limits(unrolled_nodes=16)).program.output_size == 2


class TestScan:
    BODY = graph(
        [node("Add", ["s", "v"], ["t"]), node("Relu", ["t"], ["s2"], "bend"), node("Neg", ["t"], ["u"])],
        {"s": ((2,), TensorProto.FLOAT), "v": ((2,), TensorProto.FLOAT)},
        {"s2": TensorProto.FLOAT, "u": TensorProto.FLOAT},
    )

    @pytest.mark.parametrize("output", ["y", "all"])
    @pytest.mark.parametrize(
        "options",
        [
            {}, {"scan_input_directions": [1]}, {"scan_output_directions": [1]},
            {"scan_input_axes": [-1], "shape": (2, 3)}, {"scan_output_axes": [1]},
        ],
        ids=lambda options: next(iter(options), "plain"),
    )  # fmt: skip
    def test_slices_run_through_the_body(self, options: dict[str, Any], output: str, tmp_path: Path) -> None:
        attributes = {key: value for key, value in options.items() if key != "shape"}
        shape = options.get("shape", (3, 2))
        scan = node("Scan", ["s0", "x"], ["y", "all"], "scan", body=self.BODY, num_scan_inputs=1, **attributes)
        proto = build([scan], {"s0": (2,), "x": shape}, ["y", "all"])
        model = load(save(proto, tmp_path), output=output)
        assert model.confirmation.status == "confirmed"
        if not any("directions" in key or "axes" in key for key in attributes):
            agrees(proto, tmp_path, output)

    def test_numbers_of_scanned_inputs_that_do_not_fit_are_refused(self, tmp_path: Path) -> None:
        scan = node("Scan", ["s0", "x"], ["y", "all"], "scan", body=self.BODY, num_scan_inputs=3)
        with pytest.raises(UnsupportedModelError, match="3 scanned inputs do not fit"):
            load(save(build([scan], {"s0": (2,), "x": (3, 2)}, ["y", "all"]), tmp_path), output="y")


class TestFunctions:
    def test_calls_become_their_bodies(self, tmp_path: Path) -> None:
        proto = build([node("twice", ["x"], ["y"], domain="own")], {"x": (2,)})
        proto = with_functions(proto, {"twice": [node("Add", ["v", "v"], ["w"]), node("Relu", ["w"], ["r"])]})
        agrees(proto, tmp_path)

    def test_functions_that_call_themselves_are_refused(self, tmp_path: Path) -> None:
        proto = build([node("f", ["x"], ["y"], domain="own")], {"x": (2,)})
        proto = with_functions(proto, {"f": [node("g", ["v"], ["r"], domain="own")]})
        proto = with_functions(proto, {"g": [node("f", ["v"], ["r"], domain="own")]})
        with pytest.raises(InputError, match="call themselves"):
            load(save(proto, tmp_path))

    def test_functions_that_double_forty_times_are_refused(self, tmp_path: Path) -> None:
        proto = build([node("f40", ["x"], ["y"], domain="own")], {"x": (2,)})
        for i in range(1, 41):
            twice = [node(f"f{i - 1}", ["v"], ["m"], domain="own"), node(f"f{i - 1}", ["m"], ["r"], domain="own")]
            proto = with_functions(proto, {f"f{i}": twice})
        proto = with_functions(proto, {"f0": [node("Relu", ["v"], ["r"])]})
        with pytest.raises(InputError, match="nodes of the inlined functions"):
            load(save(proto, tmp_path))
