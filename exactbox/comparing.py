"""Whether two exported models are the same function: their outputs, the logits under the heads, the decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.boxes import box_between, everywhere
from exactbox.comparing_outputs import Finding, Verdict, compare_decisions, compare_outputs, samples
from exactbox.comparing_sides import Side, matched, products, reach_of, side_notes, side_of
from exactbox.datasets import read_dataset
from exactbox.fixing import pinned
from exactbox.importers.deployed import (
    RuntimeRefusal,
    coarsest,
    logit_reader,
    open_session,
    run_single,
)
from exactbox.importers.fixing import pins
from exactbox.importers.limits import Limits
from exactbox.importers.torch_modules import AnyGiven, TorchModule, as_onnx
from exactbox.polytope import enclosed, exact
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.forms import same_forms
from exactbox.polytope.gradients import gradients
from exactbox.polytope.identical import divergences
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, zeros
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.wording import counted
from exactbox.separating import Floats, Reach, Separated, separate

POINTS = 4096
"""How many points are evaluated at most."""

WORK = 1 << 30
"""Products by constants that the search may cost; large models are evaluated at fewer points."""


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
    """The verdict on two models, as real functions of their inputs.

    Args:
        outputs: the verdict on the output tensors: shapes, order of the entries, heads and labels included.
        logits: on the numbers under the heads, in the order of the output tensors, entry by entry.
        decisions: on what is chosen, where both models choose; None where one of them states no rule.
        matched: how the inputs of the two were matched, in words.
        witness: where the logits differ, or None.
        tried: how many points were evaluated exactly.
        domain: where points were looked for, in words.
        notes: what else differs, and what was not confirmed.
    """

    left: Side
    right: Side
    outputs: Finding
    logits: Finding
    decisions: Finding | None
    matched: str
    witness: Witness | None
    tried: int
    domain: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return brief(self, [repr(self.left.path), repr(self.right.path), self.verdict])

    @property
    def verdict(self) -> Verdict:
        """The verdict on the outputs."""
        return self.outputs.verdict

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return self.outputs.reason


def compare(
    left: AnyGiven,
    right: AnyGiven,
    *,
    box: tuple[object, object] | None = None,
    data: object = None,
    outputs: tuple[str | None, str | None] = (None, None),
    dims: Mapping[str, int] | None = None,
    fix: Mapping[str, object] | None = None,
    points: int = POINTS,
    limits: Limits | None = None,
    example: object = None,
    input_shape: Sequence[int] | None = None,
) -> Comparison:
    """Decide whether two models compute the same outputs, the same logits under them, and the same decisions.

    Inputs are matched by name where both models have the same names, else by position; entries by their place in the
    flattened tensor. Equal normal forms of the programs are a proof for all real inputs, and with equal heads one for
    the outputs. Otherwise a point is looked for where the exact values differ. Both programs are compared with
    onnxruntime first.

    Args:
        box: where a differing point is looked for: bounds of every input; by default everywhere.
        data: samples to try, as for ``audit``.
        outputs: which output of each model; chosen where None.
        dims: sizes of open dimensions, by name, for the models that have them.
        fix: inputs, or entries of them, that become constants of both models.
        points: how many points are evaluated at most.
        example: for those of the models that are a ``torch.nn.Module``; as ``input_shape``, see ``load``.

    Raises:
        InputError: numbers of inputs or outputs differ, or an option is malformed.
        UnsupportedModelError: one of the models is not piecewise linear.
    """
    caps = limits or Limits()
    paths = [
        as_onnx(given, example, input_shape) if isinstance(given, TorchModule) else as_onnx(given)
        for given in (left, right)
    ]
    one, other = (side_of(path, name, dims or {}, fix, caps) for path, name in zip(paths, outputs, strict=True))
    other, how = matched(one, other)
    _check_sizes(one, other)
    where = everywhere(one.program) if box is None else box_between(one.program, *box)
    where = pinned(where, pins(one.program.inputs, one.lowered.file.fixed))
    given = _given(one, other, data)
    reach = reach_of(one, other, where)
    logits, found = _logits(one, other, reach, given, points)
    witness = _witness(one, other, found) if found.points.shape[1] else None
    if witness is not None:
        logits = Finding("different", f"logit {witness.output} differs at a point; {logits.reason}")
    cost = max(products(one.program) + products(other.program), 1)
    looked = samples(reach, [found.points, given], WORK // cost)
    result = compare_outputs(one, other, logits, looked)
    decisions = compare_decisions(one, other, logits, looked)
    notes = tuple(side_notes(one, other))
    return Comparison(one, other, result, logits, decisions, how, witness, found.tried, where.text, notes)


def _logits(one: Side, other: Side, reach: Reach, given: Floats, points: int) -> tuple[Finding, Separated]:
    """Prove the logits equal, or look for points where they differ; a finding of "different" is completed with one."""
    nowhere = Separated(np.zeros((one.program.input_size, 0)), np.zeros(0), 0)
    parting = list(divergences(one.program, other.program))
    if not parting:
        return Finding("equal", "the canonical programs are the same list of instructions"), nowhere
    if _same_affine(one.program, other.program):
        return Finding("equal", "both are affine, with the same weights and constants"), nowhere
    if same_forms(one.program, other.program):
        return Finding("equal", "both compute the same sums of the same maxima"), nowhere
    budget = max(1, min(points, WORK // max(products(one.program) + products(other.program), 1)))
    found = separate(one.program, other.program, parting, reach, given, budget)
    if found.points.shape[1]:
        return Finding("different", parting[0].text), found
    reason = (
        f"the canonical programs differ ({parting[0].text}), but the exact outputs agree at all "
        f"{counted(found.tried, 'point')} "
        "tried"
    )
    return Finding("undecided", reason), found


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


def _same_affine(one: Program, other: Program) -> bool:
    """Say whether both are affine with equal coefficients, which decides equality."""
    if one.max_positions or other.max_positions:
        return False
    outputs = range(one.output_size)
    origin = zeros(one.input_size, 1)
    if not exact.forward(one, origin).equals(exact.forward(other, origin)):
        return False
    return next(gradients(one, {}, outputs)).equals(next(gradients(other, {}, outputs)))


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
    """Bound the float error of each output (o, b), node by node; infinite where rounding may change a step."""
    if side.lowered.lowering.doubts:
        return np.full((side.raw.output_size, points.shape[1]), np.inf)
    roundings = side.lowered.lowering.builder.roundings
    return 2 * enclosed.enclose(side.raw, side.own(points), coarsest(side.lowered), roundings)[-1].radius


def _run(side: Side, point: Floats, values: Rationals) -> Floats | RuntimeRefusal:
    reader = logit_reader(side.lowered)
    if not reader.complete:
        return RuntimeRefusal("no tensor of the model holds the logits")
    session = open_session(side.lowered.file, reader.tensors, optimised=False)
    if isinstance(session, RuntimeRefusal):
        return session
    runs = run_single(session, side.lowered.file, side.program, reader.tensors, point)
    if isinstance(runs, RuntimeRefusal):
        return runs
    exactly = values.to_float()
    if side.unmoved is None:
        return reader.read(runs[0], exactly)
    rest = np.empty_like(exactly)
    rest[side.unmoved] = exactly
    return reader.read(runs[0], rest)[side.unmoved]


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
