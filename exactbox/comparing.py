"""Whether two exported models are the same function: proved equal, refuted with a point, or undecided."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from exactbox.boxes import DomainRead, box_between, everywhere
from exactbox.datasets import read_dataset
from exactbox.fixing import opened, pinned
from exactbox.importers.deployed import (
    RuntimeRefusal,
    coarsest,
    logit_reader,
    open_session,
    run_single,
)
from exactbox.importers.fixing import pins
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.polytope import enclosed, exact
from exactbox.polytope.errors import InputError
from exactbox.polytope.gradients import gradients
from exactbox.polytope.identical import divergences
from exactbox.polytope.program import MatMul, Program
from exactbox.polytope.rational import Rationals, zeros
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.simplify import simplify
from exactbox.rounding import decimal_text, near_float
from exactbox.separating import Floats, Reach, Separated, separate

Verdict = Literal["equal", "different", "undecided"]

POINTS = 4096
"""How many points are evaluated at most."""

WORK = 1 << 30
"""Products by constants that the search may cost; large models are evaluated at fewer points."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two models.

    Args:
        lowered: the program as the nodes were lowered.
        program: its canonical form.
    """

    lowered: Lowered
    program: Program

    @property
    def path(self) -> str:
        """The ONNX file."""
        return self.lowered.file.path


@dataclass(frozen=True, eq=False)
class Witness:
    """A point where the exact outputs differ.

    Args:
        point: shape (d,), numbers of both models' input types.
        left: the exact outputs of the first model.
        right: those of the second.
        output: the index of the output that differs most.
        difference: first minus second there, exact.
        deployed: both models' outputs in onnxruntime (optimisations off) at that index; None where one did not run.
        bounds: how far each may be from its exact output.
        confirmation: what the runtime shows, in words.
        confirmed: whether the runtime's outputs differ by more than both bounds together.
    """

    point: Rationals
    left: Rationals
    right: Rationals
    output: int
    difference: Fraction
    deployed: tuple[float, float] | None
    bounds: tuple[float, float]
    confirmation: str
    confirmed: bool


@dataclass(frozen=True, eq=False)
class Comparison:
    """The verdict on two models, about their logits as real functions.

    Args:
        verdict: "equal" is proved for all real inputs; "different" comes with a witness; else "undecided".
        reason: why, in one sentence.
        witness: where they differ, or None.
        tried: how many points were evaluated exactly.
        domain: where points were looked for, in words.
        notes: what differs besides the function: heads, names, shapes.
    """

    left: Side
    right: Side
    verdict: Verdict
    reason: str
    witness: Witness | None
    tried: int
    domain: str
    notes: tuple[str, ...]


def compare(
    left: str | os.PathLike[str],
    right: str | os.PathLike[str],
    *,
    box: tuple[object, object] | None = None,
    data: object = None,
    outputs: tuple[str | None, str | None] = (None, None),
    dims: Mapping[str, int] | None = None,
    fix: Mapping[str, object] | None = None,
    points: int = POINTS,
    limits: Limits | None = None,
) -> Comparison:
    """Decide whether two models compute the same logits.

    Equal canonical programs are a proof, for all real inputs; so are equal affine maps. Otherwise a point is looked for
    where the exact outputs differ. Inputs are matched by position, and no permutation is guessed.

    Args:
        box: where a differing point is looked for: bounds of every input; by default everywhere.
        data: samples to try, as for ``audit``.
        outputs: which output of each model; chosen where None.
        dims: sizes of open dimensions, by name, for the models that have them.
        fix: inputs, or entries of them, that become constants of both models.
        points: how many points are evaluated at most.

    Raises:
        InputError: numbers of inputs or outputs differ, or an option is malformed.
        UnsupportedModelError: one of the models is not piecewise linear.
    """
    caps = limits or Limits()
    one, other = (_side(path, name, dims or {}, fix, caps) for path, name in zip((left, right), outputs, strict=True))
    _check_sizes(one, other)
    where = everywhere(one.program) if box is None else box_between(one.program, *box)
    where = pinned(where, pins(one.program.inputs, one.lowered.file.fixed))
    given = _given(one, other, data)
    parting = list(divergences(one.program, other.program))
    notes = tuple(_notes(one, other))
    if not parting:
        reason = "the canonical programs are the same list of instructions"
        return Comparison(one, other, "equal", reason, None, 0, where.text, notes)
    if _same_affine(one.program, other.program):
        reason = "both are affine, with the same weights and constants"
        return Comparison(one, other, "equal", reason, None, 0, where.text, notes)
    budget = max(1, min(points, WORK // max(_products(one.program) + _products(other.program), 1)))
    found = separate(one.program, other.program, parting, _reach(one, other, where), given, budget)
    if found.points.shape[1]:
        witness = _witness(one, other, found)
        reason = f"output {witness.output} differs at a point; {parting[0].text}"
        return Comparison(one, other, "different", reason, witness, found.tried, where.text, notes)
    reason = (
        f"the canonical programs differ ({parting[0].text}), but the exact outputs agree at all {found.tried} points "
        "tried"
    )
    return Comparison(one, other, "undecided", reason, None, found.tried, where.text, notes)


def _side(
    path: str | os.PathLike[str],
    output: str | None,
    dims: Mapping[str, int],
    fix: Mapping[str, object] | None,
    limits: Limits,
) -> Side:
    file = opened(path, limits, dims, fix)
    declared = {dim for item in file.graph.inputs for dim in item.dims or () if isinstance(dim, str)}
    fixed = {name: size for name, size in dims.items() if name in declared or "." in name}
    lowered = lower_file(file, output, fixed, limits)
    return Side(lowered, simplify(lowered.program))


def _check_sizes(one: Side, other: Side) -> None:
    for what, mine, theirs in (
        ("inputs", one.program.input_size, other.program.input_size),
        ("outputs", one.program.output_size, other.program.output_size),
    ):
        if mine != theirs:
            raise InputError(f"{one.path} has {mine} {what}, {other.path} has {theirs}: there is nothing to compare")


def _given(one: Side, other: Side, data: object) -> Floats:
    """Read samples in the layout of either model."""
    if data is None:
        return np.zeros((one.program.input_size, 0))
    try:
        found = read_dataset(one.program, data)
    except InputError as error:
        if other.program.inputs == one.program.inputs:
            raise
        try:
            found = read_dataset(other.program, data)
        except InputError:
            raise error from None
    return found.points(0, min(found.count, POINTS))[0]


def _notes(one: Side, other: Side) -> list[str]:
    notes: list[str] = []
    mine, theirs = one.program, other.program
    if mine.head.ops != theirs.head.ops:
        heads = (", ".join(head.ops) or "none" for head in (mine.head, theirs.head))
        notes.append(f"the tails above the logits differ ({' and '.join(heads)}); the verdict is about the logits")
    if (mine.head.rule, mine.head.tie) != (theirs.head.rule, theirs.head.tie):
        notes.append(f"the decision rules differ: {mine.head.rule} and {theirs.head.rule}")
    if mine.head.labels != theirs.head.labels:
        notes.append("the class names differ")
    if [port.name for port in mine.inputs] != [port.name for port in theirs.inputs]:
        notes.append(f"inputs are matched by position: {_ports(mine)} and {_ports(theirs)}")
    roots = [Counter(constant.radicand for constant in side.lowered.lowering.replaced) for side in (one, other)]
    if roots[0] or roots[1]:
        same = "the same roots in both" if roots[0] == roots[1] else "not the same roots in both"
        notes.append(f"irrational constants are replaced by rationals of 80 bits ({same}); the verdict is about those")
    return notes


def _ports(program: Program) -> str:
    return ", ".join(f"{port.name} {list(port.shape)}" for port in program.inputs)


def _same_affine(one: Program, other: Program) -> bool:
    """Say whether both are affine with equal coefficients, which decides equality."""
    if one.max_positions or other.max_positions:
        return False
    outputs = range(one.output_size)
    origin = zeros(one.input_size, 1)
    if not exact.forward(one, origin).equals(exact.forward(other, origin)):
        return False
    return next(gradients(one, {}, outputs)).equals(next(gradients(other, {}, outputs)))


def _products(program: Program) -> int:
    matrices = [item for item in program.instructions if isinstance(item, MatMul)]
    return sum(item.weight.size * item.rows for item in matrices) + sum(program.sizes)


def _reach(one: Side, other: Side, where: DomainRead) -> Reach:
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


def _witness(one: Side, other: Side, found: Separated) -> Witness:
    """Choose the point whose difference stands out most over the float error of both models, and run them there."""
    bounds = [_bounds(side, found.points) for side in (one, other)]
    columns = exact_numbers(found.points)
    values = [exact.forward(side.program, columns) for side in (one, other)]
    apart = np.abs((values[0] - values[1]).to_float())
    with np.errstate(all="ignore"):
        clear = np.nan_to_num(apart / (bounds[0] + bounds[1]), nan=0.0, posinf=0.0)
    output, best = (int(i) for i in np.unravel_index(int(np.argmax(clear)), clear.shape))
    if not clear[output, best]:
        output, best = (int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
    point = found.points[:, best : best + 1]
    runs = [_run(side, point, value[:, best]) for side, value in zip((one, other), values, strict=True)]
    sizes = (float(bounds[0][output, best]), float(bounds[1][output, best]))
    deployed, words, confirmed = _confirmation(runs, output, sizes)
    left, right = values[0][:, best], values[1][:, best]
    difference = left.item(output) - right.item(output)
    return Witness(columns[:, best], left, right, output, difference, deployed, sizes, words, confirmed)


def _bounds(side: Side, points: Floats) -> Floats:
    """Bound the float error of each output (o, b), node by node."""
    raw = side.lowered.program
    final = enclosed.enclose(raw, points, coarsest(side.lowered), side.lowered.lowering.builder.roundings)[-1]
    return 2 * final.radius


def _run(side: Side, point: Floats, values: Rationals) -> Floats | RuntimeRefusal:
    reader = logit_reader(side.lowered)
    if not reader.complete:
        return RuntimeRefusal("no tensor of the model holds the logits")
    session = open_session(side.lowered.file, reader.tensors, optimised=False)
    if isinstance(session, RuntimeRefusal):
        return session
    runs = run_single(session, side.lowered.file, side.program, reader.tensors, point)
    return runs if isinstance(runs, RuntimeRefusal) else reader.read(runs[0], values.to_float())


def _confirmation(
    runs: Sequence[Floats | RuntimeRefusal], output: int, bounds: tuple[float, float]
) -> tuple[tuple[float, float] | None, str, bool]:
    seen: list[float] = []
    for run in runs:
        if isinstance(run, RuntimeRefusal):
            return None, f"onnxruntime did not run a model: {run.reason}", False
        seen.append(float(run[output]))
    apart, room = abs(seen[0] - seen[1]), bounds[0] + bounds[1]
    pair = (seen[0], seen[1])
    if apart * (1 - 2.0**-50) > room:
        return pair, f"onnxruntime confirms it: its outputs differ by {apart:.6g}, rounding explains {room:.3g}", True
    if apart > 0:
        text = f"onnxruntime's outputs differ by {apart:.3g}, which rounding alone ({room:.3g}) could explain"
        return pair, text, False
    return pair, f"onnxruntime's outputs are equal there: the difference is below its rounding ({room:.3g})", False
