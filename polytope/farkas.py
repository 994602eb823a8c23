"""Short dyadic multipliers out of float duals: rounded to as few bits as still imply the target in float64."""

from __future__ import annotations

import numpy as np

from exactbox.polytope.floats import Floats, FloatView, Ints
from exactbox.polytope.system import Mask

_GRIDS = (3, 6, 10, 15, 21, 28, 36, 44, 52)
_NOISE = 2.0**-40


@np.errstate(all="ignore")
def round_duals(view: FloatView, functionals: Floats, reach: Floats, duals: Floats) -> tuple[Floats, Mask]:
    """Round each row of duals so that rows and bounds still imply its functional, judged in float64.

    Args:
        functionals: shape (b, n), what is implied.
        reach: shape (b,), the bounds claimed.
        duals: shape (b, m), what the solver found.

    Returns:
        The rounded duals (b, m) and a mask (b,) of those for which some rounding does.
    """
    out = np.maximum(duals, 0.0)
    done = np.zeros(len(duals), dtype=np.bool_)
    top = out.max(axis=1, initial=0)
    size = np.where(top > 0, 2.0 ** np.ceil(np.log2(np.where(top > 0, top, 1))), 1)
    for bits in _GRIDS:
        left = np.flatnonzero(~done & np.isfinite(top))
        if not len(left):
            break
        grid = (size[left] * 2.0**-bits)[:, None]
        rounded = np.round(out[left] / grid) * grid
        good = implies(view, functionals[left], reach[left], rounded)
        out[left[good]] = rounded[good]
        done[left[good]] = True
    return out, done


@np.errstate(all="ignore")
def implies(view: FloatView, functionals: Floats, reach: Floats, weights: Floats) -> Mask:
    """Judge in float64 which weights (b, m) prove ``functional <= reach``, clear of rounding noise."""
    residual = functionals - weights @ view.matrix
    corners = np.where(residual > 0, residual * view.high, np.where(residual < 0, residual * view.low, 0.0))
    magnitude = weights @ view.slack + corners.sum(axis=1) + np.abs(reach)
    total = weights @ view.slack + corners.sum(axis=1)
    return np.asarray((total <= reach - _NOISE * magnitude) & np.isfinite(total))


@np.errstate(all="ignore")
def box_implied(view: FloatView) -> Ints:
    """List the rows that the bounds alone seem to imply."""
    rows = len(view.slack)
    nothing = np.zeros((rows, rows))
    return np.flatnonzero(implies(view, view.matrix, view.slack * (1 + 4 * _NOISE), nothing))
