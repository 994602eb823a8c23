"""The largest entries in order, by a network of maxima and minima that is the same for all inputs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.registry import heads, lowers
from exactbox.importers.tails import comparable, named, recorded, step_of
from exactbox.importers.values import Choice, Data, Scores, Tensor
from exactbox.polytope.program import IndexArray

_Pairs = list[tuple[int, int]]


@heads("TopK")
def first_choice(call: Call) -> tuple[Tensor | None, Tensor] | None:
    """The largest or smallest entry and its index: of one entry, the index is a decision like ArgMax's."""
    given = call.tensor(0)
    if not isinstance(given, (Data, Scores)) or _count(call) != 1:
        return None
    data = given.data if isinstance(given, Scores) else given
    axis = _axis(call, data)
    if isinstance(given, Scores) and not comparable(given.fibre, axis):
        return None
    rule: Literal["argmax", "argmin"] = "argmax" if call.node.flag("largest", 1) else "argmin"
    shape = tuple(1 if i == axis else n for i, n in enumerate(data.shape))
    moved = data.moved(lambda array: np.moveaxis(array, axis, -1))
    below = recorded(given)[0] if isinstance(given, Scores) else ()
    steps = (*below, step_of(call, f"axis={axis}", "k=1"))
    labels = given.labels if isinstance(given, Scores) and axis == len(data.shape) - 1 else ()
    choice = Choice(moved, rule, "first", shape, steps, named(call, given), labels)
    return (None if isinstance(given, Scores) else top_k(call)[0]), choice


@lowers("TopK")
def top_k(call: Call) -> list[Data]:
    """The k largest (or smallest) entries along an axis, in order; their indices jump."""
    data = call.data()
    axis, count = _axis(call, data), _count(call)
    length = data.shape[axis]
    if not 1 <= count <= length:
        call.refuse(f"{count} of {length} entries")
    if not call.node.flag("sorted", 1) and count > 1:
        call.refuse("the entries come in no stated order")
    if count > 1:
        call.limits.check(str(call.node), "length of a sorted axis", length, call.limits.tensor_elements >> 14)
    largest = bool(call.node.flag("largest", 1))
    rows = data.moved(lambda array: np.moveaxis(array, axis, -1).reshape(-1, length))
    signed = rows if largest else call.builder.negate(rows)
    found = _maximum(call, signed) if count == 1 else _sorted(call, signed, count)
    result = found if largest else call.builder.negate(found)
    around = (*data.shape[:axis], *data.shape[axis + 1 :])
    return [result.moved(lambda array: np.moveaxis(array.reshape(*around, count), -1, axis))]


def _axis(call: Call, data: Data) -> int:
    if not data.shape:
        call.refuse("a scalar has no axis to sort along")
    return call.axis(call.node.integer("axis", -1), len(data.shape))


def _count(call: Call) -> int:
    """Return how many entries are wanted: an attribute in the oldest operator set, else an input."""
    if call.node.version < 10:
        return call.node.integer("k", 0)
    found = call.integers(1, "the number of entries")
    if len(found) != 1:
        call.refuse(f"the number of entries: expected one number, got {found}")
    return found[0]


def _maximum(call: Call, rows: Data) -> Data:
    groups = np.arange(rows.size, dtype=np.int64).reshape(rows.shape)
    return call.builder.maximum(rows, groups, (rows.shape[0], 1))


def _sorted(call: Call, rows: Data, count: int) -> Data:
    """Put the largest entries of each row in front, in falling order."""
    for highs, lows in network(rows.shape[1], count):
        width = rows.shape[1]
        new = [_compared(call, rows, pairs, sign) for pairs, sign in ((highs, 1), (lows, -1)) if pairs]
        joined = call.builder.concatenated([rows, *new], 1)
        columns = np.arange(width)
        targets = [first for first, _ in highs] + [second for _, second in lows]
        columns[targets] = width + np.arange(len(targets))
        rows = _picked(joined, columns)
    return _picked(rows, np.arange(count))


def _picked(rows: Data, columns: IndexArray) -> Data:
    return rows.moved(lambda array: array[:, columns])


def _compared(call: Call, rows: Data, pairs: _Pairs, sign: int) -> Data:
    """Return the larger (for sign -1 the smaller) entry of pairs of columns."""
    builder, shape = call.builder, (rows.shape[0], len(pairs))
    both = _picked(rows, np.array(pairs).ravel())
    signed = both if sign > 0 else builder.negate(both)
    result = builder.maximum(signed, np.arange(signed.size, dtype=np.int64).reshape(-1, 2), shape)
    return result if sign > 0 else builder.negate(result)


def network(length: int, count: int) -> list[tuple[_Pairs, _Pairs]]:
    """Return the rounds of a network that moves the ``count`` largest of ``length`` entries to the front, in order.

    The merge exchange of K. E. Batcher, "Sorting networks and their applications", 1968, in the form of D. E. Knuth,
    "The Art of Computer Programming, volume 3", 2nd edition, 1998, Algorithm 5.2.2M, without what nobody reads.

    Returns:
        for each round the pairs whose first place receives the larger entry, and those whose second place receives the
        smaller one; the pairs of a round do not meet.

    >>> network(3, 3)
    [([(0, 2)], [(0, 2)]), ([(0, 1)], [(0, 1)]), ([(1, 2)], [(1, 2)])]
    >>> network(3, 1)
    [([(0, 2)], []), ([(0, 1)], [])]
    """
    rounds: list[_Pairs] = []
    top = 1 << max(length - 1, 0).bit_length() >> 1
    step = top
    while step:
        reach, parity, distance = top, 0, step
        while distance:
            rounds.append([(i, i + distance) for i in range(length - distance) if i & step == parity])
            distance, reach, parity = (reach - step if reach > step else 0), reach >> 1, step
        step >>= 1
    return _without_idle(rounds, set(range(count)))


def _without_idle(rounds: list[_Pairs], read: set[int]) -> list[tuple[_Pairs, _Pairs]]:
    """Leave out what does not reach the places that are read at the end."""
    kept: list[tuple[_Pairs, _Pairs]] = []
    for pairs in reversed(rounds):
        highs = [pair for pair in pairs if pair[0] in read]
        lows = [pair for pair in pairs if pair[1] in read]
        read |= {place for pair in (*highs, *lows) for place in pair}
        if highs or lows:
            kept.append((highs, lows))
    return kept[::-1]
