"""Sampling of images at constant places, and grids of places from matrices."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.linear import product
from exactbox.importers.ops.resize import Taps, cubic_taps, linear_taps
from exactbox.importers.ops.shape import FORMAT_BITS
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import Rationals, from_fractions

_CUBIC = Fraction(-3, 4)
_FAR = 2**24
_MODES = {
    "bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic",
}  # fmt: skip


@lowers("AffineGrid")
def affine_grid(call: Call) -> Value:
    """Multiply a matrix for each image by the places of a regular grid, which are constants."""
    theta, size = call.data(0), call.integers(1, "the size")
    axes = len(size) - 2
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1) or min(size) < 1:
        call.refuse(f"matrices of shape {theta.shape} do not fit images of shape {size}")
    call.check_size((size[0], *size[2:], axes + 1))
    corners = call.node.flag("align_corners", 0)
    if corners and 1 in size[2:]:
        call.refuse("an axis of length 1 has no two corners to align: a division by 0")
    steps = [_steps(n, corners) for n in reversed(size[2:])]
    points = [
        [*(steps[i][place[axes - 1 - i]] for i in range(axes)), Fraction(1)]
        for place in itertools.product(*(range(n) for n in size[2:]))
    ]
    weight = from_fractions([x for point in points for x in point], (len(points), axes + 1))
    error = np.full(weight.shape, 2.0 ** (4 - FORMAT_BITS[theta.dtype]))
    columns = Constant(Rationals(weight.num.T.copy(), weight.den), theta.dtype, error.T)
    grid = product(call, theta, columns, True, Rounding(terms=2))
    return grid.moved(lambda array: np.swapaxes(array, 1, 2).reshape(size[0], *size[2:], axes))


def _steps(length: int, corners: bool) -> list[Fraction]:
    """Return the coordinates of an axis in the square from -1 to 1."""
    if corners:
        return [Fraction(2 * i, length - 1) - 1 for i in range(length)]
    return [Fraction(2 * i + 1, length) - 1 for i in range(length)]


@lowers("GridSample", since=16)
def grid_sample(call: Call) -> Data:
    """Interpolate at constant places: each output entry is a fixed sum of few input entries."""
    data, grid = call.data(0), call.constant(1, "the grid")
    axes = len(data.shape) - 2
    if axes < 1 or len(grid.shape) != axes + 2 or (grid.shape[0], grid.shape[-1]) != (data.shape[0], axes):
        call.refuse(f"a grid of shape {grid.shape} does not fit images of shape {data.shape}")
    mode = _MODES.get(call.node.text("mode", "linear"))
    if mode is None or call.node.text("padding_mode", "zeros") not in ("zeros", "border", "reflection"):
        call.refuse("expected the mode nearest, linear or cubic, padded by zeros, the border or reflection")
    if mode == "cubic" and call.node.text("padding_mode", "zeros") == "border":
        call.notes.append(
            f"{call.node}: cubic with padding by the border: a place beyond the border reads the border, as in the "
            "standard's reference, where onnxruntime weighs the pixels beside it"
        )
    sizes, count = data.shape[2:], math.prod(grid.shape[1:-1])
    entries = data.shape[0] * count * math.prod(sizes)
    call.limits.check(str(call.node), "weights of places", entries, call.limits.tensor_elements >> 5)
    places = grid.rationals().fractions()
    if max(map(abs, places), default=0) > _FAR:
        call.notes.append(f"{call.node}: a place very far beyond the image, where onnxruntime's coordinates overflow")
    rows: list[Fraction] = []
    for start in range(0, len(places), axes):
        rows += _weights(call, places[start : start + axes], sizes, mode)
    weight = from_fractions(rows, (data.shape[0], count, math.prod(sizes)))
    shape = (data.shape[0], data.shape[1], count)
    flat = data.moved(lambda array: array.reshape(*data.shape[:2], -1))
    off = 0.0 if grid.error is None else float(grid.error.max(initial=0.0))
    if off and mode == "nearest":
        call.doubt("the nearest pixel at a place that the runtime computes with an error")
    # A coordinate is off by its own rounding, of the size of the place, and by the place's error; along each axis the
    # weights of linear and cubic interpolation move at most 2 times as far, and 4**axes products take part.
    far = float(grid.magnitudes().max(initial=0.0)) * 2.0**-21
    spread = max(sizes) * (2.0**-18 + 4.0**axes * (far + off))
    rounding = Rounding(terms=4**axes, operand_error=np.full(weight.shape, spread))
    result = call.builder.matmul(flat, weight, data.shape[1], shape, rounding)
    return result.moved(lambda array: array.reshape(*data.shape[:2], *grid.shape[1:-1]))


def _weights(call: Call, place: list[Fraction], sizes: tuple[int, ...], mode: str) -> list[Fraction]:
    """Return the weight of each entry of an image; the grid names the last axis first."""
    factors = [_axis(call, x, n, mode) for x, n in zip(reversed(place), sizes, strict=True)]
    return [math.prod(parts, start=Fraction(1)) for parts in itertools.product(*factors)]


def _axis(call: Call, place: Fraction, size: int, mode: str) -> list[Fraction]:
    """Return the weights along one axis."""
    corners, padding = call.node.flag("align_corners", 0), call.node.text("padding_mode", "zeros")
    x = (place + 1) / 2 * (size - 1) if corners else ((place + 1) * size - 1) / 2
    x = Fraction(round(x)) if mode == "nearest" else x
    rim = (Fraction(0), Fraction(size - 1)) if corners else (Fraction(-1, 2), Fraction(2 * size - 1, 2))
    if padding == "border" and not rim[0] <= x <= rim[1]:
        x = min(max(x, Fraction(0)), Fraction(size - 1))
    if padding == "reflection":
        x = reflected(x, *rim)
    row = [Fraction(0)] * size
    for at, weight in [(math.floor(x), Fraction(1))] if mode == "nearest" else _taps(x, mode):
        if padding == "reflection":
            row[math.floor(reflected(Fraction(at), *rim))] += weight
        elif padding == "border" or 0 <= at < size:
            row[min(max(at, 0), size - 1)] += weight
    return row


def reflected(x: Fraction, low: Fraction, high: Fraction) -> Fraction:
    """Mirror a coordinate at both rims until it lies between them.

    >>> reflected(Fraction(-7, 2), Fraction(-1), Fraction(1))
    Fraction(1, 2)
    """
    if low == high:
        return low
    turns, rest = divmod(x - low, high - low)
    return high - rest if turns % 2 else low + rest


def _taps(x: Fraction, mode: str) -> Taps:
    return linear_taps(x) if mode == "linear" else cubic_taps(x, _CUBIC)
