"""Every exception that exactbox raises on purpose, and the exit code each one means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exactbox.polytope.printable import printable


class ExactboxError(Exception):
    """Base of all deliberate errors; ``exit_code`` is what the command line returns."""

    exit_code = 5


class InputError(ExactboxError):
    """The user's file, value or option is malformed or does not fit the model (exit code 3)."""

    exit_code = 3


class LimitError(InputError):
    """A model is larger than a stated limit, which can be raised (exit code 3)."""


class BudgetError(ExactboxError):
    """A stated budget was reached before the question was decided (exit code 2)."""

    exit_code = 2


class InternalError(ExactboxError):
    """An invariant of the implementation failed; never the user's fault (exit code 5)."""


@dataclass(frozen=True)
class Refusal:
    """One node of a model that cannot be lowered exactly: its name, operator and the reason."""

    node: str
    op: str
    why: str

    def __str__(self) -> str:
        return printable(f"{self.op} '{self.node}': {self.why}")


class UnsupportedModelError(ExactboxError):
    """The model holds nodes that are not exactly piecewise linear (exit code 4).

    Attributes:
        refusals: every offending node, in graph order.
    """

    exit_code = 4

    def __init__(self, where: str, refusals: Iterable[Refusal]) -> None:
        self.where = where
        self.refusals = tuple(refusals)
        lines = "\n".join(f"  - {refusal}" for refusal in self.refusals)
        count = len(self.refusals)
        nodes = f"{count} node{'s' * (count != 1)} cannot be lowered exactly"
        super().__init__(f"{printable(where)}: refused, {nodes}:\n{lines}")
