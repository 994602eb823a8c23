"""What an operator's function receives: the node, its inputs, and the builder to write to."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn

from exactbox.importers.builder import Builder
from exactbox.importers.graph import Graph, Node
from exactbox.importers.limits import DEFAULT_LIMITS, Limits
from exactbox.importers.values import INTEGER_TYPES, Absent, Constant, Data, Held, Items, RefusedError, Tensor, Value
from exactbox.polytope.program import Replaced
from exactbox.polytope.rational import float_fraction

ROOT_BITS = 80
"""Significant bits of the rationals that stand for irrational constants."""


@dataclass(frozen=True)
class ReplacedConstant:
    """An irrational constant of the model and the rational that stands for it.

    Args:
        node: the node that the constant belongs to.
        expression: what the constant is, e.g. ``1/sqrt(var[3] + epsilon)``.
        radicand: the exact number under the root, or that another function is taken of.
        value: floor to 80 significant bits.
    """

    node: str
    expression: str
    radicand: Fraction
    value: Fraction

    @property
    def formula(self) -> str:
        """The expression without the place of its entry, e.g. ``1/sqrt(variance + epsilon)``."""
        return re.sub(r"\[\d+\]", "", self.expression)


def replaced_by_node(constants: Sequence[ReplacedConstant]) -> tuple[Replaced, ...]:
    """Count replaced constants by node and formula, in the order in which they are met."""
    counts = Counter((item.node, item.formula) for item in constants)
    return tuple(Replaced(node, formula, count, ROOT_BITS) for (node, formula), count in counts.items())


Inside = Callable[[Graph, Mapping[str, Tensor], str], list[Tensor]]


def _nothing_inside(_graph: Graph, _values: Mapping[str, Tensor], _place: str) -> list[Tensor]:
    raise RefusedError("a subgraph has no lowering here")


@dataclass(frozen=True, eq=False)
class Call:
    """One node with its inputs lowered; an absent optional input is None.

    Args:
        replaced: receives irrational constants.
        notes: receives what the user should be told.
        bare: receives scores that the node computes before a tail of its own, by the tensor above that tail.
        doubts: receives what a float execution may settle otherwise, with an effect that is not bounded.
        deviations: receives where a node stands, and what a runtime is known to make of it against the standard's text.
        inside: lowers a subgraph once, given the names it reads and a text for where it stands.
    """

    node: Node
    inputs: tuple[Tensor | None, ...]
    builder: Builder
    limits: Limits = DEFAULT_LIMITS
    replaced: list[ReplacedConstant] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bare: list[tuple[str, Data]] = field(default_factory=list)
    inside: Inside = _nothing_inside
    doubts: list[str] = field(default_factory=list)
    deviations: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, why: str) -> NoReturn:
        """Stop: the node has no exact meaning."""
        raise RefusedError(why)

    def tensor(self, place: int) -> Tensor:
        """Return an input of any kind that must be present."""
        found = self.inputs[place] if place < len(self.inputs) else None
        if found is None:
            self.refuse(f"input {place} is missing")
        return found

    def value(self, place: int) -> Value:
        """Return an input that must be present, and no part of a monotone tail."""
        found = self.tensor(place)
        if isinstance(found, (Items, Absent)):
            self.refuse(f"input {place} is a sequence or an optional, where a tensor is needed")
        if not isinstance(found, (Constant, Data)):
            self.refuse(f"input {place} is no number that exactbox computes")
        return found

    def held(self, place: int) -> Held:
        """Return an input that must be present: a tensor, a sequence of tensors or an optional."""
        found = self.tensor(place)
        return found if isinstance(found, Held) else self.value(place)

    def optional(self, place: int) -> Value | None:
        """Return an input, or None where it is absent."""
        absent = place >= len(self.inputs) or self.inputs[place] is None
        return None if absent else self.value(place)

    def present(self) -> list[Value]:
        """Return all inputs of an operator with any number of them; none of these can be left out."""
        return [self.value(place) for place in range(len(self.inputs))]

    def data(self, place: int = 0) -> Data:
        """Return an input as entries of vectors, a real-valued operand of arithmetic."""
        found = self.value(place)
        if not found.is_float:
            fixed = isinstance(found, Constant)
            self.refuse(f"arithmetic on {found.dtype} " + ("constants" if fixed else "data that depends on the input"))
        return found if isinstance(found, Data) else self.builder.data(found)

    def constant(self, place: int, what: str) -> Constant:
        """Return an input that must not depend on the model's input."""
        found = self.value(place)
        if isinstance(found, Data):
            self.refuse(f"{what} depends on the model's input")
        return found

    def optional_constant(self, place: int, what: str) -> Constant | None:
        """Return an optional input that must not depend on the model's input."""
        return None if self.optional(place) is None else self.constant(place, what)

    def settle(self, value: Constant, step: Callable[[Fraction], int]) -> None:
        """Doubt a growing step function of a constant where it is not one number within the runtime's error.

        A growing function that is equal at both ends of an interval is constant on it.
        """
        if value.error is None:
            return
        for place, (entry, error) in enumerate(zip(value.rationals().fractions(), value.error.ravel(), strict=True)):
            if not error:
                continue
            spread = float_fraction(float(error)) if math.isfinite(error) else None
            if spread is None or step(entry - spread) != step(entry + spread):
                self.doubt(f"entry {place} is {float(entry)!r}, within its rounding error of a step")
                return

    def doubt(self, why: str) -> None:
        """Tell that a float execution may take another way here, so that nothing bounds its error."""
        self.doubts.append(f"{self.node}: {why}")

    def deviates(self, why: str) -> None:
        """Tell that a runtime is known to read the node otherwise than the standard's text, which is lowered."""
        self.notes.append(f"{self.node}: {why}")
        self.deviations.append((self.builder.label, why))

    def rational(self, name: str, default: float) -> Fraction:
        """Return a float attribute exactly."""
        value = self.node.number(name, default)
        if not math.isfinite(value):
            self.refuse(f"attribute {name} is {value}")
        return float_fraction(value)

    def integers(self, place: int, what: str) -> list[int]:
        """Return the entries of a constant of whole numbers."""
        found = self.constant(place, what)
        if found.dtype not in INTEGER_TYPES:
            self.refuse(f"{what}: expected whole numbers, got {found.dtype}")
        return found.integers()

    def integer_list(self, place: int, attribute: str) -> list[int] | None:
        """Return a list given as an input or, in older operator sets, as an attribute."""
        if self.optional(place) is not None:
            return self.integers(place, attribute)
        given = self.node.integers(attribute)
        return None if given is None else list(given)

    def axis(self, axis: int, rank: int) -> int:
        """Return a dimension number within 0..rank-1."""
        if not -rank <= axis < max(rank, 1):
            self.refuse(f"axis {axis} does not fit a tensor of {rank} dimensions")
        return axis % rank if rank else 0

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Stop before a tensor of too many entries is made."""
        if any(dim < 0 for dim in shape):
            self.refuse(f"a dimension is negative: {shape}")
        self.limits.check_elements(str(self.node), math.prod(shape))
