"""Exp, Sigmoid, Tanh and Swish of constants against correctly rounded decimals, and gates made of them."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from exactbox.importers.onnx_model import Model, load
from exactbox.importers.ops.curved import exponential
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import Rationals, float_fraction
from tests.importers.onnx_models import IR_VERSION, OPSET, AnyArray, build, save, tensor_info

node = helper.make_node


def import_product(op: str, values: AnyArray, folder: Path) -> Model:
    """Import y = f(c) + x for a constant c."""
    nodes = [node(op, ["c"], ["f"], "f"), node("Add", ["f", "x"], ["y"], "add")]
    model = build(nodes, {"x": values.shape}, ["y"], {"c": values}, opset=24 if op == "Swish" else OPSET)
    return load(save(model, folder), verify=op != "Swish")


def decimal(x: Fraction) -> Decimal:
    """Return a short binary fraction exactly."""
    with localcontext() as context:
        context.prec = 400
        return Decimal(x.numerator) / Decimal(x.denominator)


def truth(op: str, x: Fraction) -> Fraction:
    """Compute a function to 90 digits from the decimal module's own exponential."""
    with localcontext() as context:
        context.prec = 90
        if op == "Exp":
            return Fraction(decimal(x).exp())
        if op == "Tanh":
            grown = (2 * decimal(x)).exp()
            return Fraction((grown - 1) / (grown + 1))
        return Fraction(1 / (1 + (-decimal(x)).exp()))


@pytest.mark.parametrize("op", ["Exp", "Sigmoid", "Tanh"])
def test_constants_are_the_floor_to_80_bits(op: str, tmp_path: Path) -> None:
    values = np.array([1, -1, 0.1, -0.3, 30, -40, 2.0**-20, -7.25, 88], dtype=np.float32)
    model = import_product(op, values, tmp_path)
    assert len(model.replaced_constants) == len(values)
    for item, value in zip(model.replaced_constants, values.tolist(), strict=True):
        expected = truth(op, float_fraction(value))
        ratio = item.value / expected
        assert 1 - Fraction(1, 2**79) < ratio <= 1 + Fraction(1, 10**60)
        top = abs(item.value.numerator)
        assert (top // (top & -top)).bit_length() <= 80
        assert item.radicand == float_fraction(value)


def test_the_runtime_confirms_them(tmp_path: Path) -> None:
    for op in ("Exp", "Sigmoid", "Tanh"):
        values = np.linspace(-12, 12, 49, dtype=np.float32)
        assert import_product(op, values, tmp_path).confirmation.status == "confirmed"


@pytest.mark.parametrize(("op", "expected"), [("Exp", 1), ("Sigmoid", Fraction(1, 2)), ("Tanh", 0), ("Swish", 0)])
def test_at_zero_they_are_rational(op: str, expected: Fraction, tmp_path: Path) -> None:
    model = import_product(op, np.zeros(1, np.float32), tmp_path)
    assert model.replaced_constants == ()
    assert exact.forward(model.program, Rationals(np.zeros((1, 1), dtype=object), 1)).fractions() == [expected]


def test_equal_constants_share_one_rational(tmp_path: Path) -> None:
    found = import_product("Exp", np.array([2, 2, 3], np.float32), tmp_path).replaced_constants
    assert [item.expression for item in found] == ["exp(input[0])", "exp(input[1])", "exp(input[2])"]
    assert found[0].value == found[1].value < found[2].value


@given(x=st.fractions(-60, 60, max_denominator=1000), bits=st.integers(20, 200))
def test_the_exponential_lies_between_its_bounds(x: Fraction, bits: int) -> None:
    low, high = exponential(x, bits)
    with localcontext() as context:
        context.prec = 120
        middle = Fraction((Decimal(x.numerator) / Decimal(x.denominator)).exp())
    off = middle * Fraction(1, 10**110)
    assert low <= middle + off
    assert middle - off <= high
    assert (high - low) / middle < Fraction(1, 2 ** (bits - 12))


def gated(gate: AnyArray, alpha: float, fused: bool) -> onnx.ModelProto:
    """Build Swish(gate) * x, in one node or two."""
    two = [node("Swish", ["a"], ["g"], "swish", alpha=alpha), node("Mul", ["g", "x"], ["y"])]
    nodes = [node("SwiGLU", ["a", "x"], ["y"], "glu", alpha=alpha)] if fused else two
    model = build(nodes, {"x": gate.shape}, ["y"], {"a": gate}, opset=28)
    model.ir_version = IR_VERSION
    return model


@pytest.mark.parametrize("alpha", [1.0, 0.5, -2.0, 0.0])
def test_a_constant_gate_scales(alpha: float, tmp_path: Path) -> None:
    gate = np.array([1.5, -2, 0, 6], dtype=np.float32)
    ones = Rationals(np.ones((4, 1), dtype=object), 1)
    one, two = (load(save(gated(gate, alpha, fused), tmp_path), verify=False) for fused in (True, False))
    found = exact.forward(one.program, ones).fractions()
    assert found == exact.forward(two.program, ones).fractions()
    for value, x in zip(found, gate.tolist(), strict=True):
        expected = float_fraction(x) * truth("Sigmoid", float_fraction(alpha * x))
        assert abs(value - expected) <= abs(expected) * Fraction(1, 2**79)
    assert len(one.replaced_constants) == (3 if alpha else 0)


def test_a_gate_that_varies_is_refused(tmp_path: Path) -> None:
    constants = {"b": np.ones(2, np.float32)}
    model = build([node("SwiGLU", ["x", "b"], ["y"], "glu")], {"x": (2,)}, ["y"], constants, opset=28)
    with pytest.raises(UnsupportedModelError, match="Swish is not piecewise linear, depends on the model's input"):
        load(save(model, tmp_path), verify=False)


def test_too_many_curved_constants_are_refused(tmp_path: Path) -> None:
    nodes = [node("Exp", ["c"], ["f"], "f"), node("Add", ["f", "x"], ["y"], "add")]
    many = np.zeros(1 << 16, np.float32)
    model = build(nodes, {"x": (1,)}, [tensor_info("y", None)], {"c": many})
    with pytest.raises(InputError, match="curved functions of constants"):
        load(save(model, tmp_path), verify=False)


@pytest.mark.parametrize("value", [-20.0, -8.5, 3.0])
def test_a_short_format_may_lose_what_is_tiny(value: float, tmp_path: Path) -> None:
    """e to the power -20 is 0 in float16, which the bound of the runtime's own constant covers."""
    constants = {"c": np.array([value], np.float16)}
    nodes = [node("Exp", ["c"], ["f"], "f"), node("Cast", ["f"], ["g"], to=1), node("Add", ["g", "x"], ["y"])]
    found = load(save(build(nodes, {"x": (1,)}, ["y"], constants), tmp_path))
    assert found.confirmation.status == "confirmed"
    assert len(found.replaced_constants) == 1


def test_what_the_runtime_takes_for_infinity_is_told(tmp_path: Path) -> None:
    """e to the power 90 is a number, but none of float32."""
    constants = {"c": np.array([90.0], np.float32)}
    nodes = [node("Exp", ["c"], ["f"], "f"), node("Add", ["f", "x"], ["y"])]
    path = save(build(nodes, {"x": (1,)}, ["y"], constants), tmp_path)
    assert any("larger than float32 holds" in note for note in load(path, verify=False).notes)
    with pytest.raises(UnsupportedModelError, match=r"Exp 'f': onnxruntime computes something else.*for infinity"):
        load(path)
