"""Linear programs in float64: one warm-started HiGHS model, asked for one functional after another.

The answers are guesses; whoever uses them verifies exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactbox.polytope.floats import Floats, FloatView
from exactbox.polytope.quiet import silenced
from exactbox.polytope.simplex import Basis

with silenced():
    import highspy

TOLERANCE = 2.0**-33
"""The smallest feasibility tolerance that HiGHS accepts, as a power of two."""


@dataclass(frozen=True, eq=False)
class Guess:
    """What the solver believes: where the maximum is (n,), and the rows' duals (m,)."""

    value: float
    point: Floats
    duals: Floats


class FloatLP:
    """A mutable model of a float view whose rows and bounds can be relaxed and restored.

    Args:
        view: rows ``matrix @ z <= slack`` and bounds.
    """

    def __init__(self, view: FloatView) -> None:
        self.view = view
        rows, columns = view.matrix.shape
        self._columns = np.arange(columns, dtype=np.int32)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = columns, rows
        program.col_cost_ = np.zeros(columns)
        program.col_lower_, program.col_upper_ = view.low, view.high
        program.row_lower_, program.row_upper_ = np.full(rows, -np.inf), view.slack
        where = np.nonzero(view.matrix)
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = np.searchsorted(where[0], np.arange(rows + 1)).astype(np.int32)
        program.a_matrix_.index_ = where[1].astype(np.int32)
        program.a_matrix_.value_ = view.matrix[where]
        program.sense_ = highspy.ObjSense.kMaximize
        with silenced():  # its constructor prints a banner, before any option can say otherwise
            self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        options: dict[str, bool | int | float | str] = {
            "output_flag": False, "presolve": "off", "solver": "simplex",
            "primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE,
        }
        for name, value in options.items():
            self._solver.setOptionValue(name, value)
        self._solver.passModel(program)

    def row(self, row: int, limit: float) -> None:
        """Set a row's right-hand side; infinity removes the row."""
        self._solver.changeRowBounds(row, -np.inf, limit)

    def bounds(self, column: int, low: float, high: float) -> None:
        """Set a coordinate's bounds."""
        self._solver.changeColBounds(column, low, high)

    def maximize(self, objective: Floats) -> Guess | None:
        """Maximise a functional (n,); None where the solver does not end with an optimum."""
        self._solver.changeColsCost(len(objective), self._columns, np.ascontiguousarray(objective))
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = self._solver.getSolution()
        point = np.array(found.col_value, dtype=np.float64)
        return Guess(float(objective @ point), point, np.array(found.row_dual, dtype=np.float64))

    def basis(self) -> Basis:
        """Return the last basis, as a starting guess for the exact simplex method."""
        found = self._solver.getBasis()
        status = highspy.HighsBasisStatus
        if not found.valid:
            return Basis()
        return Basis(
            tuple(i for i, s in enumerate(found.row_status) if s != status.kBasic),
            tuple(i for i, s in enumerate(found.col_status) if s == status.kBasic),
            frozenset(i for i, s in enumerate(found.col_status) if s == status.kUpper),
        )
