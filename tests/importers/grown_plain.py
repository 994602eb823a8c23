"""Arithmetic, maxima, moves and reductions for graphs that grow."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from tests.importers.grown import Grown, step


def operand(g: Grown, name: str, low: int = -3, high: int = 4) -> str:
    """Draw a constant that broadcasts to a tensor."""
    shape = tuple(n if g.chance() else 1 for n in g.of(name).shape)
    return g.floats(shape[g.integer(0, len(shape) + 1) :], low, high)


@step("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")
def with_constant(g: Grown, name: str, op: str) -> str:
    """Join with a constant, in either order, or with the tensor itself turned."""
    other = name if g.chance() and op != "Mul" else operand(g, name)
    turned = g.chance() and op not in ("Sum", "Mean")  # where the reference adds into its first operand
    return str(g.add(op, [other, name] if turned else [name, other]))


@step("Div")
def divided(g: Grown, name: str, op: str) -> str:
    """Divide by numbers that are not 0."""
    return str(g.add(op, [name, operand(g, name, 1, 6)]))


@step("Neg", "Abs", "Relu", "Identity", "GlobalAveragePool", "GlobalMaxPool")
def plain(g: Grown, name: str, op: str) -> str:
    """No attributes."""
    return str(g.add(op, [g.shaped(name, (1, 2, 3, 2)) if op.startswith("Global") else name]))


@step("LeakyRelu")
def leaky(g: Grown, name: str, op: str) -> str:
    """Any slope."""
    return str(g.add(op, [name], alpha=g.fractions(1)[0]))


@step("PRelu")
def parametric(g: Grown, name: str, op: str) -> str:
    """Slopes that broadcast."""
    return str(g.add(op, [name, operand(g, name)]))


@step("Clip")
def clipped(g: Grown, name: str, op: str) -> str:
    """One bound or two, in any order."""
    low, high = (g.constant(np.float64(g.integer(-4, 5))) for _ in range(2))
    return str(g.add(op, g.pick([name, low], [name, low, high], [name, "", high])))


@step("HardSigmoid")
def hard(g: Grown, name: str, op: str) -> str:
    """Any slope and offset."""
    return str(g.add(op, [name], alpha=g.fractions(1, positive=True)[0], beta=g.fractions(1)[0]))


@step("ThresholdedRelu")
def thresholded(g: Grown, name: str, op: str) -> str:
    """At 0, where it is continuous."""
    return str(g.add(op, [name], alpha=0.0))


@step("Pow")
def first_power(g: Grown, name: str, op: str) -> str:
    """The first power, or a power of constants."""
    return str(g.add(op, [name, g.constant(np.float64(1))]))


@step("Dropout")
def dropped(g: Grown, name: str, op: str) -> str:
    """In inference."""
    return str(g.add(op, [name, g.constant(np.float64(0.5)), g.constant(np.array(False))]))


@step("Cast")
def cast(g: Grown, name: str, op: str) -> str:
    """To the type that it has; constants of other types are cast by ``absorb``."""
    return str(g.add(op, [name], to=TensorProto.DOUBLE))


@step("CastLike")
def cast_like(g: Grown, name: str, op: str) -> str:
    """To the type of a constant."""
    return str(g.add(op, [name, g.constant(np.zeros(1))]))


@step("BatchNormalization")
def normalised(g: Grown, name: str, op: str) -> str:
    """With constants a channel."""
    data = g.shaped(name, (2, 3, 2))
    scale, bias, mean = (g.floats((3,)) for _ in range(3))
    variance = g.floats((3,), 1, 6)
    return str(g.add(op, [data, scale, bias, mean, variance], epsilon=g.pick(1e-5, 0.25)))


@step("MatMul")
def product(g: Grown, name: str, op: str) -> str:
    """A constant on either side."""
    shape = list(g.of(name).shape)
    if g.chance() and len(shape) > 1:
        return str(g.add(op, [g.floats((g.integer(1, 4), shape[-2])), name]))
    return str(g.add(op, [name, g.floats((shape[-1], g.integer(1, 4)))]))


@step("Gemm")
def general_product(g: Grown, name: str, op: str) -> str:
    """With factors, turned operands and a bias that broadcasts."""
    data = g.shaped(name, (2, 3))
    left, right, width = g.integer(0, 2), g.integer(0, 2), g.integer(1, 4)
    inner, rows = (2, 3) if left else (3, 2)
    weight = g.floats((width, inner) if right else (inner, width))
    bias = g.floats(g.pick((), (width,), (rows, 1), (rows, width), (1, 1)))
    numbers = dict(zip(("alpha", "beta"), g.fractions(2), strict=True))
    return str(g.add(op, [data, weight, bias][: g.integer(2, 4)], transA=left, transB=right, **numbers))


@step("Einsum")
def einsum(g: Grown, name: str, op: str) -> str:
    """One operand of data."""
    equation, shape = g.pick(
        ("ij,jk->ik", (3, 2)), ("ij,kj->ki", (2, 3)), ("ij,ij->i", (2, 3)), ("ij,i->j", (2,)), ("ij,ik", (2, 2))
    )
    return str(g.add(op, [g.shaped(name, (2, 3)), g.floats(shape)], equation=equation))


@step("CumSum")
def running_sum(g: Grown, name: str, op: str) -> str:
    """Along any axis, either way."""
    axis = g.constant(np.int64(g.axis(name)))
    return str(g.add(op, [name, axis], exclusive=g.integer(0, 2), reverse=g.integer(0, 2)))


@step("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1")
def reduced(g: Grown, name: str, op: str) -> str:
    """Over some axes, all, or none."""
    rank = g.of(name).ndim
    axes = sorted({g.integer(0, rank) for _ in range(g.integer(1, 3))})
    signed = [axis - rank if g.chance() else axis for axis in axes]
    inputs = g.pick([name, g.ints(*signed)], [name, g.ints(*signed)], [name])
    found = g.add(op, inputs, keepdims=g.integer(0, 2), noop_with_empty_axes=g.integer(0, 2))
    return found if g.of(found).ndim else str(g.add("Reshape", [found, g.ints(1)]))


@step("Transpose")
def transposed(g: Grown, name: str, op: str) -> str:
    """Any order of the axes, or the reverse by default."""
    order = g.random.permutation(g.of(name).ndim).tolist()
    return str(g.add(op, [name], **({} if g.integer(0, 4) == 0 else {"perm": order})))


@step("Reshape")
def reshaped(g: Grown, name: str, op: str) -> str:
    """With an inferred or a copied dimension."""
    shape = list(g.of(name).shape)
    wanted = g.pick([-1], [0, -1], [1, -1, shape[-1]], [*shape[1:], shape[0]])
    return str(g.add(op, [name, g.ints(*wanted)]))


@step("Flatten")
def flattened(g: Grown, name: str, op: str) -> str:
    """At any axis."""
    rank = g.of(name).ndim
    return str(g.add(op, [name], axis=g.integer(-rank, rank + 1)))


@step("Squeeze", "Unsqueeze")
def squeezed(g: Grown, name: str, op: str) -> str:
    """Axes put in, and for Squeeze taken out again, by name or all."""
    rank = g.of(name).ndim
    count = g.integer(1, 3)
    axes = g.random.permutation(rank + count)[:count].tolist()
    wide = g.add("Unsqueeze", [name, g.ints(*axes)])
    if op == "Unsqueeze" or g.of(wide).size == 1:
        return str(wide)
    return str(g.add("Squeeze", g.pick([wide], [wide, g.ints(*axes)])))


@step("Concat")
def concatenated(g: Grown, name: str, op: str) -> str:
    """Data and constants side by side."""
    parts = g.pick([name, name], [name, g.floats(g.of(name).shape)], [g.floats(g.of(name).shape), name, name])
    return str(g.add(op, parts, axis=g.axis(name)))


@step("Split")
def split(g: Grown, name: str, op: str) -> str:
    """In parts of any sizes; one of them grows on."""
    axis = g.axis(name)
    length = g.of(name).shape[axis]
    cut = g.integer(0, length + 1)
    parts = g.add(op, [name, g.ints(cut, length - cut)], 2, axis=axis)
    return str(max(parts, key=lambda part: g.of(part).size))


@step("Slice")
def sliced(g: Grown, name: str, op: str) -> str:
    """Any start, end and step, as far as something is left."""
    axis, stride = g.axis(name), g.pick(1, 2, -1, -2)
    length = g.of(name).shape[axis]
    start, end = g.integer(-length - 1, length + 2), g.integer(-length - 1, length + 2)
    at = range(length)[slice(start, end, stride)]
    if not len(at):
        start, end = (0, 2**31) if stride > 0 else (-1, -(2**31))
    return str(g.add(op, [name, *(g.ints(value) for value in (start, end, axis, stride))]))


@step("Gather")
def gathered(g: Grown, name: str, op: str) -> str:
    """Any places, from either end."""
    axis = g.axis(name)
    length = g.of(name).shape[axis]
    places = g.random.integers(-length, length, g.pick((2,), (1, 2), (3,)))
    return str(g.add(op, [name, g.constant(places)], axis=axis))


@step("GatherElements")
def gathered_entries(g: Grown, name: str, op: str) -> str:
    """One place an entry."""
    axis, shape = g.axis(name), g.of(name).shape
    length = shape[axis]
    return str(g.add(op, [name, g.constant(g.random.integers(-length, length, shape))], axis=axis))


@step("GatherND")
def gathered_tuples(g: Grown, name: str, op: str) -> str:
    """Tuples of places, in batches too."""
    data = g.shaped(name, (2, 3, 2))
    batched = g.integer(0, 2)
    sizes = (2, 3, 2)[batched:]
    width = g.integer(1, len(sizes) + 1)
    places = np.stack([g.random.integers(-n, n, (2, 2)) for n in sizes[:width]], axis=-1)
    return str(g.add(op, [data, g.constant(places)], batch_dims=batched))


@step("Pad")
def padded(g: Grown, name: str, op: str) -> str:
    """By a constant, the edge, reflection or wrapping; the reference knows no negative widths."""
    mode = g.pick("constant", "edge", "reflect", "wrap")
    shape = g.of(name).shape
    low = [g.integer(0, min(n, 3)) for n in shape]
    high = [g.integer(0, min(n, 3)) for n in shape]
    fill = [g.constant(np.float64(g.integer(-2, 3)))] if mode == "constant" else []
    return str(g.add(op, [name, g.ints(*low, *high), *fill], mode=mode))


@step("Tile")
def tiled(g: Grown, name: str, op: str) -> str:
    """Once or twice along each axis."""
    return str(g.add(op, [name, g.ints(*(g.pick(1, 1, 2) for _ in g.of(name).shape))]))


@step("Expand")
def expanded(g: Grown, name: str, op: str) -> str:
    """To a shape that broadcasts with its own."""
    shape = g.of(name).shape
    wanted = [g.pick(n, 1) if n > 1 else g.pick(1, 2) for n in shape]
    return str(g.add(op, [name, g.ints(*g.pick(wanted, [2, *wanted]))]))


@step("Where")
def chosen(g: Grown, name: str, op: str) -> str:
    """By constants, or by a comparison that makes a continuous function."""
    if g.chance():
        mask = g.constant(g.random.integers(0, 2, g.of(name).shape).astype(bool))
        return str(g.add(op, [mask, *g.pick([name, operand(g, name)], [operand(g, name), name])]))
    scaled = g.add("Mul", [name, g.constant(np.float64(g.fractions(1)[0]))])
    zero = g.constant(np.float64(0))
    return str(g.add(op, [g.add(g.pick("Greater", "GreaterOrEqual"), [name, zero]), name, scaled]))


@step("DepthToSpace", "SpaceToDepth")
def blocks(g: Grown, name: str, op: str) -> str:
    """In either order of the entries."""
    data = g.shaped(name, (1, 4, 2, 2))
    return str(g.add(op, [data], blocksize=2, **({"mode": g.pick("DCR", "CRD")} if op[0] == "D" else {})))


@step("Trilu")
def triangle(g: Grown, name: str, op: str) -> str:
    """Upper or lower, from any diagonal."""
    data = g.shaped(name, g.pick((3, 3), (2, 2, 4)))
    return str(g.add(op, [data, g.constant(np.int64(g.integer(-3, 4)))], upper=g.integer(0, 2)))


@step("ReverseSequence")
def reversed_parts(g: Grown, name: str, op: str) -> str:
    """A length for each of the batch."""
    time = g.integer(0, 2)
    lengths = g.ints(*(g.integer(1, 4) for _ in range(3)))
    return str(g.add(op, [g.shaped(name, (3, 3, 2)), lengths], time_axis=time, batch_axis=1 - time))


@step("TopK")
def largest(g: Grown, name: str, op: str) -> str:
    """The largest or smallest entries in order."""
    axis = g.axis(name)
    count = g.ints(g.integer(1, g.of(name).shape[axis] + 1))
    return str(g.add(op, [name, count], 2, axis=axis, largest=g.integer(0, 2), sorted=1)[0])


@step("Compress")
def compressed(g: Grown, name: str, op: str) -> str:
    """Along an axis, or flat."""
    axis = g.integer(0, g.of(name).ndim)
    mask = g.random.integers(0, 2, g.of(name).shape[axis]).astype(bool)
    mask[g.integer(0, len(mask))] = True
    return str(g.add(op, [name, g.constant(mask)], **g.pick({"axis": axis}, {})))


@step("CenterCropPad")
def centred(g: Grown, name: str, op: str) -> str:
    """Wider or narrower around the middle."""
    wanted = [max(1, n + g.integer(-2, 3)) for n in g.of(name).shape]
    return str(g.add(op, [name, g.ints(*wanted)]))


@step("ScatterElements")
def scattered(g: Grown, name: str, op: str) -> str:
    """Constants into data at distinct places."""
    axis, shape = g.integer(0, g.of(name).ndim), g.of(name).shape
    places = np.argsort(g.random.random(shape), axis=axis)
    count = g.integer(1, shape[axis] + 1)
    kept = tuple(slice(0, count) if i == axis else slice(None) for i in range(len(shape)))
    updates = g.floats(places[kept].shape)
    reduction = g.pick({}, {"reduction": "add"}, {"reduction": "max"}, {"reduction": "min"})
    return str(g.add(op, [name, g.constant(places[kept]), updates], axis=axis, **reduction))


@step("ScatterND")
def scattered_tuples(g: Grown, name: str, op: str) -> str:
    """Constants into data at distinct tuples of places."""
    data = g.shaped(name, (3, 2, 2))
    width = g.integer(1, 3)
    sizes = (3, 2, 2)[:width]
    flat = g.random.permutation(math.prod(sizes))[: g.integer(1, 4)]
    places = np.stack(np.unravel_index(flat, sizes), axis=-1)
    reduction = g.pick({}, {"reduction": "add"}, {"reduction": "max"}, {"reduction": "min"})
    return str(g.add(op, [data, g.constant(places), g.floats((len(flat), *(3, 2, 2)[width:]))], **reduction))
