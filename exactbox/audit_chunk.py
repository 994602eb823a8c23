"""What an audit finds out about a few samples: exact values, the rigorous float bound, and what the runtime does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.audit_bench import WAYS, Bench, Fed
from exactbox.audit_decisions import UNDECIDED, float_decision, head_decision
from exactbox.decisions import DecisionPlan
from exactbox.importers.deployed import RuntimeRefusal, observed_vectors
from exactbox.polytope import enclosed, exact
from exactbox.polytope.decision import Decision, decide, lost_ties
from exactbox.polytope.distance import distance
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.gradients import gradients, lowest_winners
from exactbox.polytope.linalg import matvec
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray, Max, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.rows import RowSource, integer_rows
from exactbox.polytope.ties import pattern_at

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

@dataclass(frozen=True, eq=False)
class Observed:
    """What one way of running gave, by sample.

    Args:
        difference: largest absolute difference from the exact outputs that are compared; NaN where no tensor of the
            model holds them.
        ulps: the same in units of the last place of the sample's largest compared output, exact or the runtime's; NaN
            where that is no larger than the difference: a number that cancels to almost 0 has no places to count.
        beyond: whether the difference exceeds the rigorous bound.
        by_logits: the decision that the runtime's logits give.
        by_head: the decision that the model's own tail gives; ``by_logits`` where it has none.
    """

    difference: Floats
    ulps: Floats
    beyond: Bools
    by_logits: Ints
    by_head: Ints


@dataclass(frozen=True, eq=False)
class Chunk:
    """What was found out about samples, by sample where nothing else is said.

    Args:
        outputs: shape (b, compared outputs), the exact values correctly rounded.
        chosen: the exact decision: an output's index, for the rule "sign" 1 or 0, or ``UNDECIDED`` without a rule.
        margins: exact; None where nothing is decided.
        tied: whether the exact decision is a tie.
        bound: how far the runtime's compared outputs can be from the exact ones, node by node, in any order of
            summation; infinite where floats overflow.
        holds: whether the margin exceeds twice the bound, decided exactly.
        ways: by position in ``WAYS``; a refusal where the runtime did not run.
        distances: exact L-infinity distance within which no point of the sample's region is decided otherwise; None
            where every point of the region is decided alike, or nothing was measured.
        regions: a hash of the region's pattern; empty where ties stayed undecided.
        on_boundary: whether the sample lies on the boundary between regions, or has identical candidates.
        units_off: units whose winner in the runtime is not one of the exact winners; -1 where the runtime did not run,
            or gave tensors of another size.
        lowest: by maximum of the canonical program, the lowest winner of each unit over the samples.
        highest: the same, the highest.
    """

    outputs: Floats
    chosen: Ints
    margins: tuple[Fraction | None, ...]
    tied: Bools
    bound: Floats
    holds: Bools
    ways: tuple[Observed | RuntimeRefusal, ...]
    distances: tuple[Fraction | None, ...]
    regions: tuple[str, ...]
    on_boundary: Bools
    units_off: Ints
    lowest: tuple[IndexArray, ...]
    highest: tuple[IndexArray, ...]


def examine(bench: Bench, points: Floats, first_row: int) -> Chunk:
    """Examine samples (d, b) whose first one is row ``first_row`` of the data."""
    columns = exact_numbers(points)
    _check_inside(bench, columns, first_row)
    vectors = exact.trace(bench.program, columns)
    values = vectors[-1][list(bench.plan.outputs)]
    decisions = [_decide(bench.plan, vectors[-1][:, i]) for i in range(points.shape[1])]
    chosen = np.array([_number(found) for found in decisions], dtype=np.int64)
    fed = bench.fed(points)
    bound = _bound(bench, fed, values)
    margins = tuple(None if found is None else found.margin for found in decisions)
    patterns, on_boundary = _patterns(bench, columns, vectors)
    runs = [bench.run(way, fed.floats) for way in WAYS]
    known = [pattern for pattern in patterns if pattern is not None]
    stacks = [np.stack([one.winners[k] for one in known]) for k in range(len(bench.program.max_positions)) if known]
    return Chunk(
        values.to_float().T,
        chosen,
        margins,
        np.array([margin == 0 for margin in margins], dtype=np.bool_),
        bound,
        np.array(list(map(_exceeds, margins, bound.tolist())), dtype=np.bool_),
        tuple(
            run if isinstance(run, RuntimeRefusal) else _observe(bench, run, vectors[-1], bound, chosen) for run in runs
        ),
        _distances(bench, columns, values, patterns, decisions),
        tuple("" if one is None else hashlib.sha256(one.key).hexdigest() for one in patterns),
        on_boundary,
        _units_off(bench, fed, runs[0]),
        tuple(stack.min(axis=0) for stack in stacks),
        tuple(stack.max(axis=0) for stack in stacks),
    )


def _check_inside(bench: Bench, columns: Rationals, first_row: int) -> None:
    if bench.domain.is_everything:
        return
    for i in range(columns.shape[1]):
        outside = bench.domain.violations(columns[:, i])
        if outside:
            raise InputError(f"row {first_row + i} of the data lies outside the box: {'; '.join(outside[:3])}")


def _decide(plan: DecisionPlan, values: Rationals) -> Decision | None:
    return None if plan.rule == "none" else decide(plan.rule, plan.outputs, values, plan.tie)


def _number(found: Decision | None) -> int:
    if found is None:
        return UNDECIDED
    return int(bool(found.positive)) if found.rule == "sign" else found.chosen


def _bound(bench: Bench, fed: Fed, values: Rationals) -> Floats:
    """Bound how far any float execution, node by node, is from the exact compared outputs; shape (b,)."""
    roundings = bench.lowered.lowering.builder.roundings
    final = enclosed.enclose(bench.lowered.program, fed.floats, bench.arithmetic, roundings, fed.apart)[-1]
    chosen = list(bench.plan.outputs)
    rounded = values.to_float()
    with np.errstate(all="ignore"):
        apart = np.abs(final.centre[chosen] - rounded) + np.abs(rounded) * 2.0**-53 + 2.0**-1074
        total = (final.radius[chosen] + apart) * (1 + 2.0**-49)
    worst: Floats = total.max(axis=0)
    return np.where(np.isfinite(worst), worst, np.inf)


def _exceeds(margin: Fraction | None, bound: float) -> bool:
    return margin is not None and bool(np.isfinite(bound)) and margin > 2 * exact_numbers([bound]).item(0)


def _patterns(
    bench: Bench, columns: Rationals, vectors: Sequence[Rationals]
) -> tuple[list[Pattern | None], Bools]:
    """Return the pattern of each sample's region, and whether the sample lies on a boundary."""
    batch = columns.shape[1]
    tied = np.zeros(batch, dtype=np.bool_)
    parts: list[Ints] = []
    for position in bench.program.max_positions:
        instruction = bench.program.instructions[position]
        if isinstance(instruction, Max):
            winners, ties = lowest_winners(vectors[instruction.src], vectors[position], instruction.groups)
            parts.append(winners)
            tied |= ties
    found = [None if tied[i] else Pattern(tuple(part[:, i].copy() for part in parts)) for i in range(batch)]
    for i in np.flatnonzero(tied).tolist():
        try:
            found[i] = pattern_at(bench.program, columns[:, i], bench.domain).pattern
        except BudgetError:
            continue
    return found, tied


def _units_off(
    bench: Bench, fed: Fed, run: list[dict[str, Any]] | RuntimeRefusal
) -> Ints:
    """Count the units of the model's own nodes whose winner in the runtime does not win exactly; -1 where unknown."""
    program = bench.lowered.program
    floats = None if isinstance(run, RuntimeRefusal) else observed_vectors(bench.lowered, fed.floats, run)
    if floats is None:
        return np.full(fed.floats.shape[1], -1, dtype=np.int64)
    vectors = exact.trace(program, fed.exactly)
    total = np.zeros(fed.floats.shape[1], dtype=np.int64)
    for position in program.max_positions:
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            winners = _float_winners(floats[instruction.src], instruction.groups)
            entries = np.take_along_axis(instruction.groups, winners, axis=1)
            padded = np.concatenate([vectors[instruction.src].num, np.zeros((1, len(total)), dtype=object)])
            taken = np.take_along_axis(padded, entries, axis=0)
            factor = vectors[position].den // vectors[instruction.src].den
            total += (taken * factor != vectors[position].num).astype(np.bool_).sum(axis=0)
    return total


def _float_winners(source: Floats, groups: IndexArray) -> Ints:
    """Return the lowest position of the largest float in each group, (n, b)."""
    padded = np.concatenate([source, np.zeros((1, source.shape[1]))])
    best = padded[groups[:, 0]]
    winners = np.zeros(best.shape, dtype=np.int64)
    for column in range(1, groups.shape[1]):
        rival = padded[np.maximum(groups[:, column], CONSTANT_ZERO)]
        better = (rival > best) & (groups[:, column] != NO_CANDIDATE)[:, None]
        best = np.where(better, rival, best)
        winners[better] = column
    return winners


def _observe(
    bench: Bench, run: Sequence[Mapping[str, Any]], values: Rationals, bound: Floats, exactly: Ints
) -> Observed:
    """Compare the runtime's logits and decisions with the exact ones."""
    chosen = list(bench.plan.outputs)
    rounded = values.to_float()
    logits = np.stack([bench.reader.read(one, rounded[:, i]) for i, one in enumerate(run)], axis=1)
    by_logits = np.array([float_decision(bench.plan, logits[:, i]) for i in range(len(run))], dtype=np.int64)
    answers = zip(run, by_logits.tolist(), exactly.tolist(), strict=True)
    by_head = np.array([head_decision(bench, *answer) for answer in answers], dtype=np.int64)
    if not bench.reader.complete:
        unknown = np.full(len(run), np.nan)
        return Observed(unknown, unknown, np.zeros(len(run), dtype=np.bool_), by_head, by_head)
    largest = _apart(logits[chosen], values[chosen]).max(axis=0)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(rounded[chosen]), np.abs(logits[chosen])).max(axis=0)
        ulps = np.where((size > largest) | (largest == 0), largest / _spacing(size, bench.program.output.dtype), np.nan)
    return Observed(largest, ulps, largest * (1 - 2.0**-50) > bound, by_logits, by_head)


def _apart(floats: Floats, values: Rationals) -> Floats:
    """Return the absolute differences, correctly rounded; infinite where the runtime overflowed."""
    finite = np.isfinite(floats)
    found = np.abs((exact_numbers(np.where(finite, floats, 0.0)) - values).to_float())
    return np.where(finite, found, np.inf)


def _spacing(size: Floats, dtype: str) -> Floats:
    """Return the distance to the next larger number of a float type."""
    kinds: dict[str, Any] = {"float16": np.float16, "float64": np.float64}
    step: Floats = np.spacing(size.astype(kinds.get(dtype, np.float32))).astype(np.float64)
    return step * 2.0**16 if dtype == "bfloat16" else step


def _distances(
    bench: Bench,
    columns: Rationals,
    values: Rationals,
    patterns: Sequence[Pattern | None],
    decisions: Sequence[Decision | None],
) -> tuple[Fraction | None, ...]:
    """Return the exact L-infinity distance to the decision boundary of each sample's affine classifier."""
    found: list[Fraction | None] = [None] * len(patterns)
    if not bench.measure or bench.plan.rule == "none":
        return tuple(found)
    known = list(dict.fromkeys(pattern for pattern in patterns if pattern is not None))
    chosen = [winning(bench.program, pattern) for pattern in known]
    if not known:
        return tuple(found)
    winners = {p: np.stack([one[p] for one in chosen], axis=1) for p in bench.program.max_positions}
    users: dict[Pattern, list[int]] = {pattern: [] for pattern in known}
    for i, pattern in enumerate(patterns):
        if pattern is not None:
            users[pattern].append(i)
    swept = gradients(bench.program, winners, bench.plan.outputs)
    for pattern, coef in zip(known, swept, strict=True):
        for i in users[pattern]:
            decision = decisions[i]
            if decision is not None:
                found[i] = _distance(bench, coef, values[:, i], decision, columns[:, i])
    return tuple(found)


def _distance(
    bench: Bench, coef: Rationals, values: Rationals, decision: Decision, point: Rationals
) -> Fraction | None:
    """Measure how far the nearest rival is under one affine classifier, within the domain.

    Args:
        coef: shape (compared outputs, d), gradients.
        values: shape (compared outputs,), at the point (d,).
    """
    gaps, gradient = _gaps(bench.plan, decision, values), _gaps(bench.plan, decision, coef)
    if bench.domain.is_everything:
        norms = Rationals(np.abs(gradient.num).sum(axis=1), gradient.den).fractions()
        return min((gap / norm for gap, norm in zip(gaps.fractions(), norms, strict=True) if norm), default=None)
    reduced, rest = bench.domain.reduce(gradient, gaps - matvec(gradient, point))
    sources = tuple(RowSource("decision", 0, k) for k in range(len(gaps)))
    lost = lost_ties(decision, bench.plan.tie)
    return distance(bench.domain, integer_rows(-reduced, rest, sources), point, "linf", lost).value


def _gaps(plan: DecisionPlan, decision: Decision, values: Rationals) -> Rationals:
    """Return what each rival is behind the decided output (or the distance from 0), along the first axis."""
    if decision.rule == "sign":
        return values if decision.positive else -values
    own = plan.outputs.index(decision.chosen)
    rivals = [k for k in range(len(plan.outputs)) if k != own]
    behind = values[[own] * len(rivals)] - values[rivals]
    return behind if decision.rule == "argmax" else -behind


def program_entries(program: Program, lowered: Program) -> int:
    """Return how many numbers one sample needs while it is examined."""
    return sum(program.sizes) + sum(lowered.sizes)
