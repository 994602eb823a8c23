"""Exact products of integer matrices on float64 BLAS.

Entries are cut into balanced 24-bit limbs, at most 2**23 in absolute value. A product of two limbs is an integer of at
most 2**46, and a sum of up to 2**7 of them stays within 2**53, which float64 holds exactly whatever the order of
summation, fused or not.
"""

from __future__ import annotations

from struct import iter_unpack
from typing import cast

import numpy as np
import numpy.typing as npt

from exactbox.polytope.rational import IntArray, int_array

LIMB_BITS = 24
LIMB_BYTES = LIMB_BITS // 8
MAX_TERMS = 1 << (53 - 2 * (LIMB_BITS - 1))
"""How many products of limbs are summed in float64; longer sums are added up in int64."""

CHUNK_ENTRIES = 1 << 19
"""How many float64 products are held at once, so that they stay in the cache."""

SPLIT_ENTRIES = 1 << 19
"""How many entries of the right-hand side are held as limbs at once."""

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


def split(values: IntArray) -> FloatArray:
    """Cut integers of any shape into balanced limbs, lowest first; shape (limbs, *shape).

    >>> split(int_array([2**24 + 1, -1, 2**23])).tolist()
    [[1.0, -1.0, -8388608.0], [1.0, 0.0, 1.0]]
    """
    flat = values.ravel().tolist()
    bits = max(max(flat).bit_length(), min(flat).bit_length()) + 2 if flat else 1
    count = -(-bits // LIMB_BITS)
    limbs = np.empty((count, len(flat)))
    carry = np.zeros(len(flat), dtype=np.int64)
    for i, digits in enumerate(_digits(flat, count, bits)):
        carry += digits
        balanced = ((carry + (1 << (LIMB_BITS - 1))) & ((1 << LIMB_BITS) - 1)) - (1 << (LIMB_BITS - 1))
        limbs[i] = carry if i == count - 1 else balanced
        carry = (carry - balanced) >> LIMB_BITS
    return limbs.reshape(count, *values.shape)


def join(diagonals: Int64Array) -> IntArray:
    """Return ``sum_s diagonals[s] * 2**(24 s)`` for each column of (s, n), as Python ints of shape (n,)."""
    count, size = diagonals.shape
    digits = np.empty((count, size), dtype="<u4")
    carry = np.zeros(size, dtype=np.int64)
    for s in range(count):
        carry += diagonals[s]
        digits[s] = carry & ((1 << LIMB_BITS) - 1)
        carry >>= LIMB_BITS
    low = digits.T.copy().view(np.uint8).reshape(size, count, 4)[:, :, :LIMB_BYTES].reshape(size, LIMB_BYTES * count)
    top = max(int(carry.max()).bit_length(), int(carry.min()).bit_length()) // 8 + 1 if size else 1
    high = carry.astype("<i8").view(np.uint8).reshape(size, 8)[:, :top]
    buffer = np.concatenate([low, high], axis=1).tobytes()
    read = int.from_bytes
    return int_array(
        [read(entry, "little", signed=True) for (entry,) in iter_unpack(f"{LIMB_BYTES * count + top}s", buffer)]
    )


class LimbMatrix:
    """An integer matrix (m, k) cut into limbs once, for repeated products."""

    def __init__(self, matrix: IntArray) -> None:
        limbs = split(matrix.T)
        self.count = len(limbs)
        self.rows, self.columns = matrix.shape
        self.stacked = limbs.transpose(1, 0, 2).reshape(self.columns, self.count * self.rows)

    def times(self, right: IntArray) -> IntArray:
        """Multiply by an integer matrix (k, n) exactly, skipping its rows of zeros; shape (m, n)."""
        used = np.flatnonzero((right != 0).any(axis=1))
        left = self.stacked if len(used) == self.columns else self.stacked[used]
        whole, width = right[used].T, max(1, SPLIT_ENTRIES // max(1, len(used)))
        parts: list[IntArray] = []
        for start in range(0, len(whole), width):
            limbs = split(whole[start : start + width])
            chunk = max(1, CHUNK_ENTRIES // (self.count * max(1, self.rows) * len(limbs)))
            parts += [self._times(limbs[:, i : i + chunk], left) for i in range(0, limbs.shape[1], chunk)]
        return np.concatenate(parts).T if parts else right[:0].reshape(self.rows, 0)

    def _times(self, limbs: FloatArray, left: FloatArray) -> IntArray:
        """Return the transposed product (n, m) of the limbs (l, n, k) of the right-hand side."""
        count, width, inner = limbs.shape
        pairs = _pairs(limbs.reshape(count * width, inner), left).reshape(count, width, self.count, self.rows)
        diagonals = np.zeros((self.count + count - 1, width, self.rows), dtype=np.int64)
        for i in range(self.count):
            for j in range(count):
                diagonals[i + j] += pairs[j, :, i]
        return cast(IntArray, join(diagonals.reshape(len(diagonals), width * self.rows)).reshape(width, self.rows))


def _pairs(left: FloatArray, right: FloatArray) -> Int64Array:
    """Multiply stacked limbs (a, k) and (k, b)."""
    total = np.zeros((len(left), right.shape[1]), dtype=np.int64)
    for start in range(0, len(right), MAX_TERMS):
        part = slice(start, start + MAX_TERMS)
        total += (left[:, part] @ right[part]).astype(np.int64)
    return total


def _digits(flat: list[int], count: int, bits: int) -> npt.NDArray[np.int64]:
    """Return the two's complement digits of integers in base 2**24, (count, n); the last one is signed."""
    if bits <= 64:
        value = np.array(flat, dtype=np.int64)
        digits = np.stack([value >> (LIMB_BITS * i) for i in range(count)])
        digits[:-1] &= (1 << LIMB_BITS) - 1
        return digits
    width = LIMB_BYTES * count
    buffer = b"".join([v.to_bytes(width, "little", signed=True) for v in flat])
    raw = np.frombuffer(buffer, dtype=np.uint8).reshape(-1, count, LIMB_BYTES).astype(np.int64)
    digits = np.ascontiguousarray((raw[:, :, 0] | (raw[:, :, 1] << 8) | (raw[:, :, 2] << 16)).T)
    digits[-1][digits[-1] >= 1 << (LIMB_BITS - 1)] -= 1 << LIMB_BITS
    return digits
