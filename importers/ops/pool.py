"""Pools: maxima and means over sliding windows or whole planes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.windows import OUTSIDE, Windows, windows
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray
from exactbox.polytope.rational import from_fractions


@lowers("MaxPool")
def max_pool(call: Call) -> list[Data | None]:
    """Maxima over windows; the padding never wins."""
    if len(call.node.outputs) > 1 and call.node.outputs[1]:
        call.notes.append(f"{call.node}: the indices of the maxima are not lowered")
    data = call.data()
    where = _windows(call, data)
    planes = _planes(data, where)
    groups = _entries(planes, where.index(), NO_CANDIDATE)
    flat = groups.reshape(-1, groups.shape[-1])
    return [call.builder.maximum(data, flat, (*data.shape[:2], *where.out)), None]


@lowers("GlobalMaxPool")
def global_max_pool(call: Call) -> Data:
    """The maximum of each plane."""
    data = call.data()
    width = math.prod(data.shape[2:])
    if not width:
        call.refuse("a maximum over nothing")
    groups = np.arange(data.size, dtype=np.int64).reshape(math.prod(data.shape[:2]), width)
    return call.builder.maximum(data, groups, (*data.shape[:2], *(1 for _ in data.shape[2:])))


@lowers("AveragePool")
def average_pool(call: Call) -> Data:
    """Means over windows, with or without the padding."""
    data = call.data()
    where = _windows(call, data)
    shape = (*data.shape[:2], *where.out)
    counts = where.counts(call.node.flag("count_include_pad", 0))
    if (counts == 0).any():
        call.refuse("a mean over nothing but padding")
    entries = _entries(data.index.reshape(*data.shape[:2], -1), where.index(), CONSTANT_ZERO)
    width = entries.shape[-1]
    uniform = int(counts[0]) if (counts == counts[0]).all() else None
    share = Fraction(1, uniform or 1)
    weight = from_fractions([share] * width, (1, 1, width))
    rows = entries.size // width
    patches = Data(data.srcs, entries, data.dtype)
    total = call.builder.matmul(patches, weight, rows, shape, Rounding(terms=3, share=1 / (uniform or 1)))
    if uniform is not None:
        return total
    factor = from_fractions([Fraction(1, int(count)) for count in counts], where.out)
    return call.builder.scale(total, factor, Rounding(terms=2))


@lowers("GlobalAveragePool")
def global_average_pool(call: Call) -> Data:
    """The mean of each plane."""
    data = call.data()
    width = math.prod(data.shape[2:])
    if not width:
        call.refuse("a mean over nothing")
    shape = (*data.shape[:2], *(1 for _ in data.shape[2:]))
    weight = from_fractions([Fraction(1, width)] * width, (1, 1, width))
    return call.builder.matmul(data, weight, math.prod(data.shape[:2]), shape, Rounding(terms=3, share=1 / width))


def _windows(call: Call, data: Data) -> Windows:
    kernel = call.node.integers("kernel_shape")
    if len(data.shape) < 3 or kernel is None or len(kernel) != len(data.shape) - 2 or min(kernel) < 1:
        call.refuse(f"a kernel of shape {kernel} does not fit data of shape {data.shape}")
    if not data.size:
        call.refuse("an empty tensor")
    found = windows(call, data.shape[2:], kernel)
    _tell_deviations(call, found)
    call.check_size((math.prod(data.shape[:2]) * math.prod(found.out), math.prod(kernel)))
    return found


def _tell_deviations(call: Call, found: Windows) -> None:
    """Tell where the runtime is known to count windows otherwise than the standard's formulas for auto_pad."""
    mode = call.node.text("auto_pad", "NOTSET")
    reach = [(k - 1) * d + 1 for k, d in zip(found.kernel, found.dilations, strict=True)]
    left = [(n - r) % s for n, r, s in zip(found.size, reach, found.strides, strict=True)]
    if mode == "VALID" and call.node.flag("ceil_mode", 0) and any(left):
        call.deviates("VALID has no window that leaves the input, where onnxruntime adds one by ceil_mode")
    if mode.startswith("SAME") and tuple(reach) != found.kernel:
        call.deviates(f"{mode} pads for the dilated window, where onnxruntime pads for the plain one")


def _planes(data: Data, where: Windows) -> IndexArray:
    return np.arange(data.size, dtype=np.int64).reshape(*data.shape[:2], math.prod(where.size))


def _entries(planes: IndexArray, index: IndexArray, outside: int) -> IndexArray:
    """Return the entries of each window of each plane, shape (n, c, windows, positions)."""
    return np.where(index == OUTSIDE, outside, planes[..., index])
