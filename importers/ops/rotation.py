"""Rotary position embeddings: pairs of entries turned by angles that the place in the sequence fixes."""

from __future__ import annotations

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import operand_rounding
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data
from exactbox.polytope.wording import counted


@lowers("RotaryEmbedding", since=23)
def rotary_embedding(call: Call) -> Data:
    """Rotate pairs of entries of each head by constant cosines and sines.

    J. Su, Y. Lu, S. Pan, A. Murtadha, B. Wen, Y. Liu, "RoFormer: Enhanced transformer with rotary position embedding",
    2021.
    """
    data = call.data(0)
    heads = _by_heads(call, data)
    batch, length, _, size = heads.shape
    width = call.node.integer("rotary_embedding_dim", 0) or size
    if width % 2 or not 0 < width <= size:
        call.refuse(f"a rotation of {counted(width, 'entry', 'entries')} does not fit heads of {size}")
    cosine, sine = (
        _at_places(call, place, name, (batch, length, width // 2)) for place, name in ((1, "cos"), (2, "sin"))
    )
    rotated, rest = heads.moved(lambda array: array[..., :width]), heads.moved(lambda array: array[..., width:])
    paired = call.node.flag("interleaved", 0)
    first, second = (_part(rotated, number, paired) for number in range(2))
    real = call.builder.add(_scaled(call, first, cosine), _scaled(call, second, sine, -1))
    imaginary = call.builder.add(_scaled(call, first, sine), _scaled(call, second, cosine))
    parts = [item.moved(lambda array: array[..., None] if paired else array) for item in (real, imaginary)]
    joined = call.builder.concatenated(parts, -1).moved(lambda array: array.reshape(rotated.shape))
    result = call.builder.concatenated([joined, rest], -1) if rest.shape[-1] else joined
    if len(data.shape) == 3:
        return result.moved(lambda array: array.reshape(data.shape))
    return result.moved(lambda array: array.transpose(0, 2, 1, 3))


def _by_heads(call: Call, data: Data) -> Data:
    """Return the data as (batch, place, head, entry)."""
    if len(data.shape) == 4:
        return data.moved(lambda array: array.transpose(0, 2, 1, 3))
    heads = call.node.integer("num_heads", 0)
    if len(data.shape) != 3 or heads < 1 or data.shape[-1] % heads:
        call.refuse(f"data of shape {data.shape} does not split into {heads} heads")
    split = (*data.shape[:2], heads, data.shape[-1] // heads)
    return data.moved(lambda array: array.reshape(split))


def _at_places(call: Call, place: int, name: str, shape: tuple[int, int, int]) -> Constant:
    """Return the cosines or sines as (batch, place, 1, pair)."""
    found = call.constant(place, f"the {name} cache")
    places = call.optional_constant(3, "the position ids")
    if places is not None:
        index = np.asarray(call.integers(3, "the position ids"), dtype=np.int64).reshape(places.shape)
        rows = found.shape[0] if found.shape else 0
        if len(found.shape) != 2 or (index.size and not 0 <= index.min() <= index.max() < rows):
            call.refuse(f"position ids do not fit a {name} cache of shape {found.shape}")
        found = found.moved(lambda array: array[index])
    if found.shape != shape:
        call.refuse(f"a {name} cache of shape {found.shape} at the places, expected {shape}")
    return found.moved(lambda array: array[:, :, None, :])


def _part(data: Data, number: int, paired: bool) -> Data:
    """Return the first or second entry of all pairs: neighbours, or a half each."""
    half = data.shape[-1] // 2
    key = slice(number, None, 2) if paired else slice(number * half, (number + 1) * half)
    return data.moved(lambda array: array[..., key])


def _scaled(call: Call, data: Data, factor: Constant, sign: int = 1) -> Data:
    values = factor.rationals()
    return call.builder.scale(data, values if sign > 0 else -values, operand_rounding(factor))
