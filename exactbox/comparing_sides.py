"""The two models of a comparison: lowered, confirmed, and put into one order of inputs and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exactbox.boxes import DomainRead
from exactbox.findings import replaced_words
from exactbox.fixing import opened
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.importers.runtime import Confirmation, confirm
from exactbox.importers.torch_modules import Given
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Gather, Head, IndexArray, MatMul, Program, with_sources
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.simplify import simplify
from exactbox.rounding import decimal_text, near_float
from exactbox.separating import Floats, Reach


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two models.

    Args:
        lowered: the program as the nodes were lowered.
        confirmation: what the comparison with onnxruntime gave.
        raw: that program with its logits in the order of the output tensor.
        program: its canonical form, of the inputs in the order of the first model's.
        order: which coordinate of the first model's input is each of this one's; None where they are in one order.
        unmoved: which of the lowered program's logits is each of this one's; None where they are in one order.
    """

    lowered: Lowered
    confirmation: Confirmation
    raw: Program
    program: Program
    order: IndexArray | None = None
    unmoved: IndexArray | None = None

    @property
    def path(self) -> str:
        """The ONNX file."""
        return self.lowered.file.path

    @property
    def head(self) -> Head:
        """What the model computes of its logits."""
        return self.lowered.program.head

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output tensor."""
        return self.lowered.program.output.shape if self.head.shape is None else self.head.shape

    def own(self, points: Floats) -> Floats:
        """Return points (d, b) in the order of this model's own inputs."""
        return points if self.order is None else points[self.order]


def side_of(
    path: Given,
    output: str | None,
    dims: Mapping[str, int],
    fix: Mapping[str, object] | None,
    limits: Limits,
) -> Side:
    """Lower one model, and compare its program with the runtime.

    Raises:
        InputError: an option does not fit it.
        UnsupportedModelError: it is not piecewise linear.
        InternalError: the runtime disagrees with the program beyond the bound.
    """
    file = opened(path, limits, dims, fix)
    declared = {dim for item in file.graph.inputs for dim in item.dims or () if isinstance(dim, str)}
    fixed = {name: size for name, size in dims.items() if name in declared or "." in name}
    lowered = lower_file(file, output, fixed, limits)
    program = lowered.program
    confirmation = confirm(file, lowered.lowering, program, simplify(program), lowered.axis)
    moved, shape = program.head.moved, program.output.shape
    if moved is None:
        return Side(lowered, confirmation, program, simplify(program))
    places = np.moveaxis(np.arange(program.output_size, dtype=np.int64).reshape(shape), -1, moved)
    unmoved = np.ascontiguousarray(places.ravel())
    raw = replace(
        program, instructions=(*program.instructions, Gather((len(program.instructions) - 1,), unmoved)),
        output=replace(program.output, shape=places.shape), provenance=(*program.provenance, program.provenance[-1]),
    )  # fmt: skip
    return Side(lowered, confirmation, raw, simplify(raw), unmoved=unmoved)


def matched(one: Side, other: Side) -> tuple[Side, str]:
    """Put the second model's inputs into the order of the first's where both have the same names."""
    mine, theirs = one.program.inputs, other.program.inputs
    names = [port.name for port in mine]
    if names == [port.name for port in theirs]:
        return other, "by name"
    sizes = {port.name: port.size for port in mine}
    if sizes != {port.name: port.size for port in theirs}:
        return other, f"by position: {ports_text(one.program)} and {ports_text(other.program)}"
    starts = dict(zip(names, np.cumsum([0, *(port.size for port in mine)])[:-1].tolist(), strict=True))
    order = np.concatenate([np.arange(port.size, dtype=np.int64) + starts[port.name] for port in theirs])
    ports = tuple(sorted(theirs, key=lambda port: names.index(port.name)))
    first, *rest = other.raw.instructions
    code = (first, Gather((0,), order), *(with_sources(item, lambda src: src + 1) for item in rest))
    program = simplify(replace(other.raw, inputs=ports, instructions=code, provenance=()))
    return replace(other, program=program, order=order), "by name, as the models have them in different orders"


def side_notes(one: Side, other: Side) -> list[str]:
    """Say what else differs, what was replaced, and what the runtime did not confirm."""
    notes: list[str] = []
    shapes = [[*(port.shape for port in side.program.inputs), side.shape] for side in (one, other)]
    if shapes[0] != shapes[1] and list(map(squeezed, shapes[0])) == list(map(squeezed, shapes[1])):
        notes.append(f"shapes are compared without their axes of length 1: inputs {ports_text(one.program)} and "
                     f"{ports_text(other.program)}, outputs {list(one.shape)} and {list(other.shape)}")  # fmt: skip
    kinds = [[port.dtype for port in side.program.inputs] for side in (one, other)]
    if kinds[0] != kinds[1]:
        notes.append(f"the inputs' element types differ: {', '.join(kinds[0])} and {', '.join(kinds[1])}")
    roots = [Counter(constant.radicand for constant in side.lowered.lowering.replaced) for side in (one, other)]
    if roots[0] or roots[1]:
        same = "the same roots in both" if roots[0] == roots[1] else "not the same roots in both"
        notes.append(f"irrational constants are replaced by rationals of 80 bits ({same}); the verdict is about those")
        notes += [f"{side.path}: not {words}" for side in (one, other) for words in replaced_words(side.raw)]
    for side in (one, other):
        notes += [f"{side.path}: {warning}" for warning in side.confirmation.warnings()]
    return notes


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1, along which nothing can be moved."""
    return tuple(n for n in shape if n != 1)


def ports_text(program: Program) -> str:
    """Name the inputs with their shapes."""
    return ", ".join(f"{port.name} {list(port.shape)}" for port in program.inputs)


def products(program: Program) -> int:
    """Count what one evaluation costs: products by constants, and entries."""
    matrices = [item for item in program.instructions if isinstance(item, MatMul)]
    return sum(item.weight.size * item.rows for item in matrices) + sum(program.sizes)


def reach_of(one: Side, other: Side, where: DomainRead) -> Reach:
    """Return the box in floats that lie inside it, and the element types of both models' inputs."""
    low = [-np.inf if bound is None else _inward(bound, np.inf) for bound in where.domain.lower]
    high = [np.inf if bound is None else _inward(bound, -np.inf) for bound in where.domain.upper]
    kinds: list[tuple[int, int, str]] = []
    for side in (one, other):
        start = 0
        for port in side.program.inputs:
            kinds.append((start, start + port.size, port.dtype))
            start += port.size
    return Reach(np.array(low), np.array(high), tuple(kinds))


def _inward(bound: Fraction, towards: float) -> float:
    """Return the float nearest to a bound that does not lie outside of it."""
    near = near_float(bound)
    if near == towards:
        raise InputError(f"box: expected bounds between which floats lie, got {decimal_text(bound)}, beyond all")
    if near == -towards:
        return float(np.nextafter(near, towards))
    value = exact_numbers([near]).item(0)
    outside = value < bound if towards > 0 else value > bound
    return float(np.nextafter(near, towards)) if outside else near
