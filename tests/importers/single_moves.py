"""Moves of entries, drawn in every version."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.importers.single import Draw, makes


@makes("Transpose")
def transposed(d: Draw) -> object:
    shape = d.dims(1)
    return d.add([d.data(shape)], **d.some(perm=d.random.permutation(len(shape)).tolist()))


@makes("Reshape")
def reshaped(d: Draw) -> object:
    shape = d.dims(2, 4)
    size = int(np.prod(shape))
    wanted = d.pick([size], [1, size], list(shape[::-1]), [-1] if size else [size], [0, -1] if size else [0, 0])
    inputs, given = d.given("shape", wanted, 5)
    given |= d.some(allowzero=1) if d.version >= 14 and 0 not in wanted else {}
    return d.add(
        [d.data(shape), *inputs], **given, **({"consumed_inputs": [0]} if d.version < 5 and d.chance() else {})
    )


@makes("Flatten")
def flattened(d: Draw) -> object:
    shape = d.dims(2)
    low = -len(shape) if d.version >= 11 else 0
    return d.add([d.data(shape)], **d.some(axis=d.integer(low, len(shape) + 1)))


@makes("Squeeze", "Unsqueeze")
def squeezed(d: Draw) -> object:
    shape = [1 if d.chance() else n for n in d.dims(2)]
    low = -1 if d.version >= 11 and d.chance() else 0
    if d.op == "Squeeze":
        ones = [place for place, n in enumerate(shape) if n == 1]
        axes = d.pick(None, ones, ones[:1]) or None
        axes = axes and [axis + low * len(shape) for axis in axes]
    else:
        rank = len(shape) + d.integer(1, 3)
        axes = [axis + low * rank for axis in d.random.permutation(rank)[: rank - len(shape)].tolist()]
        axes = sorted(axes) if d.version < 13 else axes
    inputs, given = d.given("axes", axes, 13)
    return d.add([d.data(shape), *inputs], **given)


@makes("Expand")
def expanded(d: Draw) -> object:
    shape = d.dims(1, 3)
    wide = [n if d.chance() or n != 1 else d.integer(1, 4) for n in shape]
    return d.add([d.data(shape), d.ints(*d.pick(wide, [2, *wide], [1] * len(shape), wide[-1:]))])


@makes("Tile")
def tiled(d: Draw) -> object:
    shape = d.dims()
    if d.version < 6:
        return d.add([d.data(shape), d.floats((1,)), d.floats((1,))])
    return d.add([d.data(shape), d.ints(*(d.integer(0 if place else 1, 3) for place in range(len(shape))))])


@makes("Concat")
def concatenated(d: Draw) -> object:
    shape = d.dims()
    low = -len(shape) if d.version >= 11 else 0
    axis = d.integer(low, len(shape)) if d.version >= 4 else d.pick(None, d.integer(0, len(shape)))
    place = (1 if axis is None else axis) % max(len(shape), 2)
    if place >= len(shape):
        shape = (*shape, 2)
    others = [tuple(d.integer(1, 4) if i == place else n for i, n in enumerate(shape)) for _ in range(d.integer(0, 3))]
    return d.add([d.data(shape), *(d.either(item) for item in others)], axis=axis)


@makes("Split")
def split(d: Draw) -> object:
    shape = d.dims(empty=False)
    low = -len(shape) if d.version >= 11 else 0
    axis = d.integer(low, len(shape))
    length = d.pick(shape[axis], 4, 5)
    shape = tuple(length if i == axis % len(shape) else n for i, n in enumerate(shape))
    cut = d.integer(0 if d.version >= 13 else 1, length + 1)
    parts = d.pick(None, [cut, length - cut] if 0 < cut < length or d.version >= 13 else None)
    inputs, given = d.given("split", parts, 13)
    given |= {"num_outputs": d.pick(2, 2, 3)} if parts is None and d.version >= 18 else {}
    chosen = {"axis": axis} if d.version < 2 or axis or d.chance() else {}
    return d.add([d.data(shape), *inputs], given.get("num_outputs", 2), **chosen, **given)


@makes("Slice")
def sliced(d: Draw) -> object:
    shape = d.dims()
    count = d.integer(1, len(shape) + 1)
    axes = d.random.permutation(len(shape))[:count].tolist()
    edge = (-(2**63), 2**63 - 1, 2**31 - 1, -(2**31), 9, -9)
    starts, ends = ([d.integer(-4, 5) if not d.chance(5) else d.pick(*edge) for _ in axes] for _ in range(2))
    if d.version < 10:
        named = {"axes": axes} if d.chance() else {}
        return d.add([d.data(shape)], starts=starts, ends=ends, **named)
    axes = [axis - len(shape) if d.chance() and d.version >= 11 else axis for axis in axes]
    inputs = [d.ints(*starts), d.ints(*ends)]
    if d.chance():
        inputs += [d.ints(*axes), d.ints(*(d.pick(1, -1, 2, -2, -9) for _ in axes))][: d.integer(1, 3)]
    return d.add([d.data(shape), *inputs])


@makes("Gather")
def gathered(d: Draw) -> object:
    shape = d.dims(empty=False)
    axis = d.integer(-len(shape), len(shape)) if d.version >= 11 else d.integer(0, len(shape))
    low = -shape[axis] if d.version >= 11 else 0
    index = d.random.integers(low, shape[axis], d.pick((), (2,), (1, 3), (0,)))
    return d.add(
        [d.data(shape), d.constant(index, d.pick(np.int64, np.int32))], **({"axis": axis} if axis or d.chance() else {})
    )


@makes("GatherElements", "ScatterElements", "Scatter")
def by_elements(d: Draw) -> object:
    shape = d.dims(1, 3, empty=False)
    axis = d.integer(-len(shape), len(shape)) if d.version >= 11 else d.integer(0, len(shape))
    dims = tuple(d.integer(1, n + 1) for n in shape)
    index = np.argsort(d.random.random(dims), axis=axis)  # no place twice
    index = index - shape[axis] if d.version >= 11 and d.chance(4) else index
    given = {"axis": axis} if axis or d.chance() else {}
    operands = [d.data(shape), d.constant(index, np.int64)]
    if d.op == "GatherElements":
        return d.add(operands, **given)
    kinds = [] if d.op == "Scatter" or d.version < 16 else ["none", "add"] + ["max", "min", "mul"] * (d.version >= 18)
    return d.add(
        [*operands, d.either(dims)], **given, **({"reduction": d.pick(*kinds)} if kinds and d.chance() else {})
    )


@makes("GatherND", "ScatterND")
def by_tuples(d: Draw) -> object:
    shape = d.dims(2, 3, empty=False)
    batch = d.integer(0, 2) if d.op == "GatherND" and d.version >= 12 else 0
    depth = d.integer(1, len(shape) - batch + 1)
    count = 2 if d.op == "GatherND" else 1
    outer = (*shape[:batch], count)
    columns = [d.random.integers(-shape[batch + i], shape[batch + i], outer) for i in range(depth)]
    operands = [d.data(shape), d.constant(np.stack(columns, axis=-1), np.int64)]
    if d.op == "GatherND":
        return d.add(operands, **({"batch_dims": batch} if batch else {}))
    kinds = [] if d.version < 16 else ["none", "add"] + ["max", "min", "mul"] * (d.version >= 18)
    return d.add(
        [*operands, d.either((count, *shape[depth:]))],
        **({"reduction": d.pick(*kinds)} if kinds and d.chance() else {}),
    )


@makes("TensorScatter")
def cached(d: Draw) -> object:
    index = [d.constant(d.random.integers(0, 3, 2), np.int64)] if d.chance() else []
    return d.add([d.data((2, 4, 3)), d.either((2, 2, 3)), *index], **d.some(mode=d.pick("linear", "circular"), axis=-2))


@makes("Pad")
def padded(d: Draw) -> object:
    shape = d.dims(empty=d.chance(4))
    modes = ["constant", "constant", "edge", "reflect"] + ["wrap"] * (d.version >= 19)
    mode = d.pick(*modes)
    named = d.version >= 18 and d.chance(3)
    axes = (
        d.random.permutation(len(shape))[: d.integer(1, len(shape) + 1)].tolist() if named else list(range(len(shape)))
    )
    pads = [d.integer(-3, 3) if d.chance() else 0 for _ in range(2 * len(axes))]
    given: dict[str, Any] = {"mode": mode} if mode != "constant" or d.chance() else {}
    if d.version < 11:
        given |= d.some(value=1.5) | {"paddings" if d.version < 2 else "pads": pads}
        return d.add([d.data(shape)], **given)
    fill = d.pick("", d.constant(np.float32(1.5)), d.data(()) if d.chance(8) else "")
    inputs = [d.ints(*pads), fill, d.ints(*(axis - len(shape) if d.chance() else axis for axis in axes))]
    return d.add([d.data(shape), *inputs[: 3 if named else 2 if fill else 1]], **given)


@makes("Where")
def chosen(d: Draw) -> object:
    shape = d.dims()
    shapes = [tuple(n if d.chance() else 1 for n in shape)[d.integer(0, len(shape) + 1) :] for _ in range(2)]
    return d.add([d.constant(d.numbers(shapes[0]) > 0), d.data(shape), d.either(shapes[1])])


@makes("DepthToSpace", "SpaceToDepth")
def blocks(d: Draw) -> object:
    shape = (2, 8, 1, 2) if d.op == "DepthToSpace" else (1, 3, 2, 4)
    modes = d.version >= (11 if d.op == "DepthToSpace" else 28)
    return d.add([d.data(shape)], blocksize=2, **(d.some(mode=d.pick("DCR", "CRD")) if modes else {}))


@makes("Trilu")
def triangle(d: Draw) -> object:
    offset = [d.constant(np.int64(d.integer(-3, 4)))] if d.chance() else []
    return d.add([d.data(d.dims(2)), *offset], **d.some(upper=0))


@makes("ReverseSequence")
def reversed_(d: Draw) -> object:
    shape = d.dims(2, 3, empty=False)
    swap = d.chance()
    time, batch = (1, 0) if swap else (0, 1)
    lengths = d.random.integers(1, shape[time] + 1, shape[batch])
    given = {"time_axis": time, "batch_axis": batch} if swap or d.chance() else {}
    return d.add([d.data(shape), d.constant(lengths, np.int64)], **given)


@makes("Compress")
def compressed(d: Draw) -> object:
    shape = d.dims(empty=False)
    axis = d.pick(None, d.integer(0, len(shape)))
    length = int(np.prod(shape)) if axis is None else shape[axis]
    mask = d.random.integers(0, 2, d.integer(1, length + 1)).astype(bool)
    return d.add([d.data(shape), d.constant(mask)], axis=axis)


@makes("CenterCropPad")
def centred(d: Draw) -> object:
    shape = d.dims(2, 3)
    axes = d.pick(None, d.random.permutation(len(shape))[:2].tolist())
    return d.add([d.data(shape), d.ints(*(d.integer(0, 6) for _ in axes or shape))], axes=axes)


@makes("TopK")
def largest(d: Draw) -> object:
    shape = d.dims(empty=False)
    axis = d.integer(-len(shape), len(shape))
    count = d.integer(1, shape[axis] + 1)
    given: dict[str, Any] = {"axis": axis} if d.chance() or axis % len(shape) != len(shape) - 1 else {}
    given |= d.some(largest=d.integer(0, 2), sorted=d.pick(1, 1, 0)) if d.version >= 11 else {}
    data = d.data(shape)
    if d.version < 10:
        return d.add([data], 2, k=count, **given)
    return d.add([data, d.ints(count)], 2, **given)
