"""Exact products of integer matrices on float64 BLAS.

Entries are cut into 16-bit limbs. A product of two limbs is an integer of at most 2**32, and a sum of fewer than 2**21
of them stays an integer below 2**53, which float64 holds exactly whatever the order of summation, fused or not.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from exactbox.polytope.rational import IntArray, int_array

LIMB_BITS = 16
MAX_TERMS = 1 << 21
"""How many products of limbs may be summed in float64."""

CHUNK_ENTRIES = 1 << 19
"""How many float64 products are held at once, so that they stay in the cache."""

FloatMatrix = npt.NDArray[np.float64]


def split(values: IntArray) -> FloatMatrix:
    """Cut integers of any shape into limbs, lowest first; shape (limbs, *shape), the last limb signed.

    >>> split(int_array([65537, -1])).tolist()
    [[1.0, 65535.0], [1.0, -1.0]]
    """
    flat = values.ravel().tolist()
    bits = max(max(flat).bit_length(), min(flat).bit_length()) + 1 if flat else 1
    count = -(-bits // LIMB_BITS)
    if bits <= 64:
        raw = np.array(flat, dtype="<i8").view("<u2").reshape(-1, 4)[:, :count]
    else:
        width = 2 * count
        raw = np.frombuffer(b"".join([v.to_bytes(width, "little", signed=True) for v in flat]), dtype="<u2")
        raw = raw.reshape(-1, count)
    limbs = raw.T.astype(np.float64)
    limbs[-1][limbs[-1] >= 1 << (LIMB_BITS - 1)] -= 1 << LIMB_BITS
    return limbs.reshape(count, *values.shape)


def join(diagonals: npt.NDArray[np.int64]) -> IntArray:
    """Return ``sum_s diagonals[s] * 2**(16 s)`` for each column of (s, n), as Python ints of shape (n,)."""
    count, size = diagonals.shape
    digits = np.empty((size, count + 4), dtype="<u2")
    carry = np.zeros(size, dtype=np.int64)
    for s in range(count):
        carry += diagonals[s]
        digits[:, s] = carry & 0xFFFF
        carry >>= LIMB_BITS
    digits[:, count:] = carry.astype("<i8").view("<u2").reshape(-1, 4)
    buffer, width = digits.tobytes(), 2 * (count + 4)
    return int_array(int.from_bytes(buffer[i : i + width], "little", signed=True) for i in range(0, len(buffer), width))


class LimbMatrix:
    """An integer matrix (m, k) cut into limbs once, for repeated products."""

    def __init__(self, matrix: IntArray) -> None:
        limbs = split(matrix)
        self.count = len(limbs)
        self.rows, self.columns = matrix.shape
        self.stacked = limbs.reshape(-1, self.columns)

    def times(self, right: IntArray) -> IntArray:
        """Multiply by an integer matrix (k, n) exactly; shape (m, n)."""
        limbs = split(right)
        chunk = max(1, CHUNK_ENTRIES // (len(self.stacked) * len(limbs)))
        if chunk < right.shape[1]:
            starts = range(0, right.shape[1], chunk)
            return np.concatenate([self._times(limbs[:, :, i : i + chunk]) for i in starts], axis=1)
        return self._times(limbs)

    def _times(self, limbs: FloatMatrix) -> IntArray:
        width = limbs.shape[2]
        side_by_side = limbs.transpose(1, 0, 2).reshape(self.columns, -1)
        pairs = (self.stacked @ side_by_side).astype(np.int64).reshape(self.count, self.rows, len(limbs), width)
        diagonals = np.zeros((self.count + len(limbs) - 1, self.rows, width), dtype=np.int64)
        for i in range(self.count):
            for j in range(len(limbs)):
                diagonals[i + j] += pairs[i, :, j]
        return cast(IntArray, join(diagonals.reshape(len(diagonals), -1)).reshape(self.rows, width))
