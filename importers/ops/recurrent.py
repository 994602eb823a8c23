"""Recurrent layers with piecewise-linear activations, unrolled step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.importers.builder import Builder
from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import leaky, unit_interval
from exactbox.importers.ops.linear import product
from exactbox.importers.ops.movement import choose
from exactbox.importers.ops.shape import FORMAT_BITS
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import float_fraction, from_fractions
from exactbox.polytope.wording import counted

Activation = Callable[[Builder, Data], Data]


@dataclass(frozen=True, eq=False)
class _Layer:
    """The constants of one direction.

    Args:
        inputs: shape (i, h): input weights, turned.
        states: shape (h, h): recurrence weights, turned.
        bias: shape (h,).
    """

    inputs: Constant
    states: Constant
    bias: Constant
    activation: Activation


@lowers("RNN")
def recurrent(call: Call) -> list[Data | None]:
    """h[t] = f(x[t] W + h[t-1] R + b), forwards, backwards or both; every step is named."""
    sequence = _sequence(call)
    steps, batch = sequence.shape[0], sequence.shape[1]
    directions = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    turns = directions.get(call.node.text("direction", "forward"))
    if turns is None:
        call.refuse("direction: expected forward, reverse or bidirectional")
    lengths = call.integers(4, "the sequence lengths") if call.optional(4) is not None else [steps] * batch
    if len(lengths) != batch or any(not 0 < length <= steps for length in lengths):
        call.refuse(f"sequence lengths {lengths} do not fit {counted(steps, 'step')} of {batch} sequences")
    outputs: list[list[Data]] = []
    finals: list[Data] = []
    for place, backwards in enumerate(turns):
        states, final = _unrolled(call, sequence, _layer(call, place, len(turns)), place, backwards, lengths)
        outputs.append(states)
        finals.append(final)
    return _packed(call, outputs, finals)


def _sequence(call: Call) -> Data:
    """Return the input with axes (step, sequence, feature)."""
    data = call.data()
    if len(data.shape) != 3:
        call.refuse(f"expected a tensor of three axes, got shape {data.shape}")
    return data.moved(lambda array: array.swapaxes(0, 1)) if call.node.integer("layout", 0) else data


def _layer(call: Call, place: int, count: int) -> _Layer:
    weights, states = call.constant(1, "the weight"), call.constant(2, "the recurrence weight")
    bias = call.optional_constant(3, "the bias")
    hidden = call.node.integer("hidden_size", states.shape[-1] if states.shape else 0)
    width = call.tensor(0).shape[-1]
    if weights.shape != (count, hidden, width) or states.shape != (count, hidden, hidden):
        call.refuse(
            f"weights {weights.shape} and {states.shape} do not fit {counted(count, 'layer')} of {hidden} units"
        )
    if bias is None:
        bias = Constant(np.zeros((count, 2 * hidden), dtype=np.float32), weights.dtype)
    if bias.shape != (count, 2 * hidden):
        call.refuse(f"expected biases of shape {(count, 2 * hidden)}, got {bias.shape}")
    own = bias.moved(lambda array: array[place])
    first, second = own.moved(lambda array: array[:hidden]), own.moved(lambda array: array[hidden:])
    sizes, off = own.magnitudes(), np.zeros(own.shape) if own.error is None else own.error
    error = (sizes[:hidden] + sizes[hidden:]) * 2.0 ** (4 - FORMAT_BITS[own.dtype]) + off[:hidden] + off[hidden:]
    total = Constant(first.rationals() + second.rationals(), own.dtype, error)
    inputs = weights.moved(lambda array: array[place].T)
    return _Layer(inputs, states.moved(lambda array: array[place].T), total, _activation(call, place))


def _activation(call: Call, place: int) -> Activation:
    """Return the activation of one direction."""
    names = call.node.texts("activations") or ("Tanh",) * (place + 1)
    if "clip" in call.node.attributes:
        call.refuse("clip is not lowered")
    if place >= len(names):
        call.refuse(f"expected an activation for each direction, got {list(names)}")
    name = names[place]
    alpha = _parameter(call, "activation_alpha", names[: place + 1], _WITH_ALPHA)
    beta = _parameter(call, "activation_beta", names[: place + 1], _WITH_BETA)
    match name:
        case "Relu":
            return lambda builder, data: builder.elementwise_maximum([data], with_zero=True)
        case "LeakyRelu":
            slope = from_fractions([float_fraction(float(np.float32(0.01))) if alpha is None else alpha], ())
            return lambda builder, data: leaky(builder, data, slope)
        case "Affine" if alpha is not None and beta is not None:
            return _affine(alpha, beta)
        case "HardSigmoid":
            half = Fraction(1, 2) if beta is None else beta
            line = _affine(float_fraction(float(np.float32(0.2))) if alpha is None else alpha, half)
            return lambda builder, data: unit_interval(builder, line(builder, data))
        case _:
            call.refuse(f"activation {name} is not piecewise linear")


def _affine(slope: Fraction, offset: Fraction) -> Activation:
    factor, shift = from_fractions([slope], ()), from_fractions([offset], ())
    return lambda builder, data: builder.shift(builder.scale(data, factor), shift, Rounding(terms=1))


_WITH_ALPHA = frozenset({"Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"})
_WITH_BETA = frozenset({"Affine", "ScaledTanh", "HardSigmoid"})


def _parameter(call: Call, name: str, names: Sequence[str], takers: Collection[str]) -> Fraction | None:
    """Return the last activation's parameter; a list holds one for each activation that takes such a parameter."""
    given = call.node.numbers(name)
    place = sum(other in takers for other in names) - 1
    if given is None or names[-1] not in takers or place >= len(given):
        return None
    if not np.isfinite(given[place]):
        call.refuse(f"attribute {name} is {given[place]}")
    return float_fraction(given[place])


def _unrolled(
    call: Call, sequence: Data, layer: _Layer, place: int, backwards: bool, lengths: list[int]
) -> tuple[list[Data], Data]:
    """Return the state after every step, in the order of steps, and the last one of each sequence."""
    builder, (steps, batch, width) = call.builder, sequence.shape
    hidden = layer.bias.shape[0]
    state = _initial(call, place, batch, hidden, sequence.dtype)
    # One sum may hold both products: each must fit half of the format's range.
    many = Rounding(terms=width + hidden + 4, magnitude=layer.bias.magnitudes(), share=0.5)
    states: list[Data] = []
    final = state
    for step in reversed(range(steps)) if backwards else range(steps):
        builder.label = f"{call.node} step {step}"
        running = np.broadcast_to((np.array(lengths) > step)[:, None], (batch, hidden))
        own = product(call, _step(sequence, step), layer.inputs, True, many)
        past = builder.data(product(call, builder.data(state), layer.states, True, many))
        total = builder.add(own, past, Rounding(terms=width + hidden, share=0.5))
        biased = builder.shift(total, layer.bias.rationals(), Rounding(4, operand_error=layer.bias.error))
        after = layer.activation(builder, biased)
        zero = Constant(np.zeros((batch, hidden), dtype=np.float32), sequence.dtype)
        state = choose(call, running, after, state)
        states.append(builder.data(choose(call, running, after, zero)))
        final = state
    builder.label = str(call.node)
    return states[::-1] if backwards else states, builder.data(final)


def _step(sequence: Data, step: int) -> Data:
    return sequence.moved(lambda array: array[step])


def _initial(call: Call, place: int, batch: int, hidden: int, dtype: str) -> Value:
    given = call.optional(5)
    if given is None:
        return Constant(np.zeros((batch, hidden), dtype=np.float32), dtype)
    if call.node.integer("layout", 0):
        given = given.moved(lambda array: array.swapaxes(0, 1))
    if given.shape[1:] != (batch, hidden) or place >= given.shape[0]:
        call.refuse(
            f"an initial state of shape {given.shape} does not fit {counted(batch, 'sequence')} of {hidden} units"
        )
    return given.moved(lambda array: array[place])


def _packed(call: Call, outputs: list[list[Data]], finals: list[Data]) -> list[Data | None]:
    """Return Y (step, direction, sequence, unit) and Y_h (direction, sequence, unit), or batch first."""
    rows = [part.moved(lambda array: array[None, None]) for steps in zip(*outputs, strict=True) for part in steps]
    flat = call.builder.concatenated(rows, 0)
    steps, count = len(outputs[0]), len(outputs)
    whole = flat.moved(lambda array: array.reshape(steps, count, *array.shape[2:]))
    last = call.builder.concatenated([part.moved(lambda array: array[None]) for part in finals], 0)
    if call.node.integer("layout", 0):
        return [whole.moved(lambda array: array.transpose(2, 0, 1, 3)), last.moved(lambda array: array.swapaxes(0, 1))]
    return [whole, last]
