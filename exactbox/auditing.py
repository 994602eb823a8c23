"""The audit of an exported model on data: exact arithmetic beside the deployed float execution."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from exactbox.audit_bench import Bench, Setup, set_up
from exactbox.audit_chunk import Bools, Chunk, Floats, Ints, Observed, examine, program_entries
from exactbox.audit_groups import (
    alike,
    categories_of,
    check_inside,
    is_about_categories,
    listed_together,
    marked,
    rearranged,
)
from exactbox.audit_proof import contradictions, without_bound, without_proof
from exactbox.categories import Rows
from exactbox.datasets import Dataset, read_dataset, read_labels
from exactbox.files import check_writable, write_whole
from exactbox.fixing import fixed_texts, opened, parse_fixes
from exactbox.importers.deployed import RuntimeRefusal
from exactbox.importers.inventory import Cost, Inventory, inventory_of
from exactbox.importers.limits import Limits
from exactbox.importers.torch_modules import AnyGiven, as_onnx
from exactbox.loading import given_class_names
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray, Max
from exactbox.polytope.wording import counted, spelled
from exactbox.progress import Silent, Watcher
from exactbox.rounding import near_float
from exactbox.sources import Given

CHUNK_SAMPLES = 128
"""Samples that are examined, and run in one batch, together."""

CHUNK_ENTRIES = 1 << 20
"""Exact numbers that are held at once."""

MEASURE_BUDGET = 1 << 28
"""Products by constants, times outputs, up to which the distance of one sample is computed without being asked for."""

PATIENCE = 4.0
"""Seconds of remaining work from which on several processes are started."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What tells the linear algebra of a worker process to use one thread."""


@dataclass(frozen=True)
class UnitCounts:
    """The units of one maximum of the canonical program over the data.

    Args:
        name: after the model's nodes.
        units: how many.
        dead: the constant 0 wins at every sample.
        always_on: units with a candidate 0 that never wins, while one other always does.
        settled: units without a candidate 0 where one candidate wins at every sample.
    """

    name: str
    units: int
    dead: int
    always_on: int
    settled: int


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found; arrays have one entry a sample, see ``audit_chunk.Chunk``.

    Args:
        inventory: what is in the file.
        bench: the model, what is decided, and which tensors were read.
        origin: where the data comes from.
        rounded: entries of the data that were rounded to the input's type.
        batch: how many samples were run together in batches.
        found: everything that was found out, sample by sample, in one piece.
        labels: the given labels as output indices (``UNDECIDED`` where a label is no class), or None.
        label_names: the given labels, or None.
        units: by maximum of the canonical program; empty where no sample's region is known.
        measured: whether distances were computed; else why not.
        unproved: why nothing of this model is called proved; empty where nothing forbids it.
    """

    inventory: Inventory
    bench: Bench
    origin: str
    rounded: int
    batch: int
    found: Chunk
    labels: Ints | None
    label_names: tuple[str, ...] | None
    units: tuple[UnitCounts, ...]
    measured: str
    unproved: tuple[str, ...] = ()

    def __repr__(self) -> str:
        flips = f"{int(self.flipped.sum())} flips" if self.decides else "nothing is decided"
        return brief(self, [repr(self.inventory.file.path), f"{counted(self.count, 'sample')} of {self.origin}", flips])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done about categories, in sentences."""
        return tuple(note for note in self.inventory.notes if is_about_categories(note))

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(self.found.chosen)

    @property
    def decides(self) -> bool:
        """Whether the model decides anything."""
        return self.bench.plan.rule != "none"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as data for JSON."""
        from exactbox.audit_report import document

        return document(self)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write every sample and the summary as one JSON document; returns the path.

        Raises:
            InputError: the file cannot be written.
        """
        target = Path(path)
        check_writable(target)
        text = json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(target, lambda to: to.write_text(text, encoding="utf-8"))
        return str(target)

    def plot(self, path: str | os.PathLike[str]) -> str:
        """Draw margins, or differences, against float bounds as .png or .svg; returns the path.

        Raises:
            InputError: another ending, no matplotlib, or the file cannot be written.
        """
        from exactbox.audit_plot import draw_audit
        from exactbox.plots import require_matplotlib

        target = Path(path)
        check_writable(target, ".png", ".svg")
        require_matplotlib()
        draw_audit(self, target)
        return str(target)

    def flips(self, way: int) -> Bools | None:
        """Where the deployed decision, head included, is not the exact one; None where the runtime did not run."""
        seen = self.found.ways[way]
        if isinstance(seen, RuntimeRefusal) or not self.decides:
            return None
        flips: Bools = seen.by_head != self.found.chosen
        return flips

    @property
    def bounded(self) -> bool:
        """Whether a bound of the float error is stated, exceeded or not."""
        return not self.bench.unbounded

    @property
    def deployed(self) -> Bools:
        """Where the deployed decision, its tail included, is proved to be the exact one: nowhere, if the tail rounds.

        A float Softmax or Sigmoid saturates, and is not even monotone: no margin of the logits carries over.
        """
        return self.found.holds & self.bench.exact_tail

    @property
    def flipped(self) -> Bools:
        """Where any way of running decides otherwise."""
        total = np.zeros(self.count, dtype=np.bool_)
        for way in range(len(self.found.ways)):
            flips = self.flips(way)
            total |= False if flips is None else flips
        return total

    @property
    def ratios(self) -> Floats:
        """The margin divided by the bound: above 2 the deployed decision holds; infinite where nothing is decided."""
        margins = np.array([np.inf if m is None else near_float(m) for m in self.found.margins])
        with np.errstate(all="ignore"):
            return np.where(margins == 0, 0.0, margins / self.found.bound)

    @property
    def differences(self) -> Floats:
        """The largest difference from the exact outputs over the ways of running; NaN where none is known."""
        known = [seen.difference for seen in self.found.ways if isinstance(seen, Observed)]
        stacked = np.stack(known) if known else np.full((1, self.count), np.nan)
        largest: Floats = np.fmax.reduce(stacked, axis=0)
        return largest

    def worst(self, limit: int = 10) -> list[int]:
        """Return samples to look at first: flips, then the smallest margins beside bounds, then differences.

        Where nothing is decided, the largest differences alone.
        """
        differences = np.nan_to_num(self.differences, nan=-1.0)
        largest: list[int] = np.lexsort((np.arange(self.count), -differences))[:limit].tolist()
        if not self.decides:
            return largest
        order = np.lexsort((np.arange(self.count), self.ratios, ~self.flipped))[:limit].tolist()
        largest = largest[: max(limit // 3, 1)]
        return list(dict.fromkeys([*order, *largest]))


def audit(
    model: AnyGiven,
    data: object,
    labels: object = None,
    *,
    output: str | None = None,
    output_row: int | None = None,
    decision: str | None = None,
    target: int | str | None = None,
    class_names: Iterable[str] | str | Path | Given | None = None,
    dims: Mapping[str, int] | None = None,
    fix: Mapping[str, object] | None = None,
    mean: object = None,
    std: object = None,
    box: tuple[object, object] | None = None,
    distances: bool | None = None,
    workers: int = 1,
    watcher: Watcher | None = None,
    limits: Limits | None = None,
    example: object = None,
    input_shape: Sequence[int] | None = None,
) -> Audit:
    """Compare exact arithmetic with the deployed float execution on data.

    Args:
        data: samples as the runtime would be fed: an array or file, or a mapping from input names to these.
        labels: one class a sample, by name or index.
        output: see ``load``; ``output_row``, ``decision`` and ``class_names`` as for ``certify``.
        fix: inputs, or entries of them, that become constants; the data must have fixed entries at their values.
        mean: the data are raw values x, and the exact function is that of x: first ``(x - mean) / std``, exactly. The
            runtime is fed with these numbers rounded to float64 and then to the input's type; the bound covers that.
        std: see ``mean``.
        example: see ``load``, as is ``input_shape``.
        box: bounds of every input, for regions and distances; the data must lie inside.
        distances: whether to measure distances; by default where it is cheap.
        workers: processes; results do not depend on it. With more than one, a script needs the usual
            ``if __name__ == "__main__"`` guard.

    Raises:
        InputError: the file, the data or an option is malformed; rows are named.
        UnsupportedModelError: the explained output is not piecewise linear.
    """
    heard = watcher or Silent()
    heard.begin("reading the model")
    caps = limits or Limits()
    fixed = tuple(sorted((dims or {}).items()))
    constants = tuple((fix or {}).items())
    path = as_onnx(model, example, input_shape)
    listed = inventory_of(opened(path, caps, dict(fixed), fix), output, dict(fixed), caps)
    names = given_class_names(class_names)
    low, high = (None, None) if box is None else (str(box[0]), str(box[1]))
    setup = Setup(
        path, output, fixed, decision, output_row, target, names, low, high,
        _measured(distances, listed.cost, decision), caps, constants, mean, std,
    )  # fmt: skip
    categories = categories_of(setup, data) if listed.refusals else None
    heard.begin("reading the data")
    if categories is not None:
        return _by_category(setup, distances, categories, labels, workers, heard)
    bench = set_up(setup)
    dataset = read_dataset(bench.program, data, parse_fixes(fixed_texts(bench.lowered.file.fixed)))
    label_names = None if labels is None else read_labels(labels, dataset.count, bench.plan.labels)
    heard.begin("examining samples")
    size = chunk_size(bench)
    chunks, rounded = _examined(bench, setup, dataset, size, max(workers, 1), heard.part)
    batch = min(size, dataset.count)
    return _concluded(setup, bench, listed, dataset, (joined(chunks), rounded, batch), label_names)


def _concluded(
    setup: Setup, bench: Bench, listed: Inventory, dataset: Dataset, examined: tuple[Chunk, int, int],
    label_names: tuple[str, ...] | None,
) -> Audit:
    """Say what samples show.

    Args:
        examined: what was found out, how many entries were rounded, and how many samples were run together.
    """
    found, rounded, batch = examined
    found = without_bound(found) if bench.unbounded else found
    unproved = bench.unbounded or contradictions(found, bench.exact_tail)
    return Audit(
        listed, bench, dataset.origin, rounded, batch, without_proof(found) if unproved else found,
        None if label_names is None else _label_indices(bench, label_names), label_names,
        _unit_counts(bench, found), setup.unmeasured, unproved,
    )  # fmt: skip


def _by_category(
    setup: Setup, distances: bool | None, rows: Rows, labels: object, workers: int, heard: Watcher
) -> Audit:
    """Audit each combination of categories as the program that it makes, and put the samples together again."""
    groups, examined = list(rows.groups().values()), list[tuple[Bench, Inventory, Chunk, int, int]]()
    runs: list[tuple[Setup, Dataset]] = []
    label_names = None
    for number, members in enumerate(groups):
        own = replace(setup, fix=(*setup.fix, *_fix_of_row(rows, members[0])))
        sizes = dict(own.dims)
        try:
            listed = inventory_of(opened(own.path, own.limits, sizes, dict(own.fix)), own.output, sizes, own.limits)
            own = replace(own, unmeasured=_measured(distances, listed.cost, own.decision))
            bench = set_up(own)
        except InputError as error:
            raise InputError(f"{rows.origin}: row {members[0]}: {error}") from None
        if not number:
            check_inside(setup, rows, bench)
            label_names = None if labels is None else read_labels(labels, len(rows.values), bench.plan.labels)
            heard.begin("examining samples")
        dataset, size = rows.dataset(bench.program).rows(members), chunk_size(bench)
        chunks, rounded = _examined(bench, own, dataset, size, workers, lambda done, of: None)
        examined.append((bench, listed, marked(joined(chunks), number), rounded, min(size, len(members))))
        runs.append((own, dataset))
        heard.part(number + 1, len(groups))
    benches = [one[0] for one in examined]
    chunks = [one[2] if alike(benches) else replace(one[2], lowest=(), highest=()) for one in examined]
    order = sorted(range(len(rows.values)), key=[row for members in groups for row in members].__getitem__)
    together = rearranged(joined(chunks), order)
    bench = next((one for one in benches if one.unbounded), benches[0])
    listed = listed_together([one[1] for one in examined], rows.names, len(groups))
    facts = (together, sum(one[3] for one in examined), max(one[4] for one in examined))
    own, dataset = runs[-1]
    return _concluded(own, bench, listed, replace(dataset, origin=rows.origin), facts, label_names)


def _fix_of_row(rows: Rows, row: int) -> tuple[tuple[str, object], ...]:
    return tuple(rows.fix(row).items())


def chunk_size(bench: Bench) -> int:
    """Return how many samples are examined together; it depends on the model alone, so results do too."""
    return max(1, min(CHUNK_SAMPLES, CHUNK_ENTRIES // max(program_entries(bench.program, bench.lowered.program), 1)))


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Put chunks together in order."""
    ways: list[Observed | RuntimeRefusal] = []
    for parts in zip(*(chunk.ways for chunk in chunks), strict=True):
        refused = next((part for part in parts if isinstance(part, RuntimeRefusal)), None)
        seen = [part for part in parts if isinstance(part, Observed)]
        ways.append(refused or Observed(
            np.concatenate([one.difference for one in seen]), np.concatenate([one.ulps for one in seen]),
            np.concatenate([one.beyond for one in seen]), np.concatenate([one.by_logits for one in seen]),
            np.concatenate([one.by_head for one in seen])))  # fmt: skip
    bounded = [chunk for chunk in chunks if chunk.lowest]
    return Chunk(
        np.concatenate([one.outputs for one in chunks]),
        np.concatenate([one.chosen for one in chunks]),
        tuple(margin for one in chunks for margin in one.margins),
        np.concatenate([one.tied for one in chunks]),
        np.concatenate([one.bound for one in chunks]),
        np.concatenate([one.holds for one in chunks]),
        tuple(ways),
        tuple(value for one in chunks for value in one.distances),
        tuple(region for one in chunks for region in one.regions),
        np.concatenate([one.on_boundary for one in chunks]),
        np.concatenate([one.units_off for one in chunks]),
        tuple(np.minimum.reduce(part) for part in zip(*(one.lowest for one in bounded), strict=True)),
        tuple(np.maximum.reduce(part) for part in zip(*(one.highest for one in bounded), strict=True)),
    )


def _measured(asked: bool | None, cost: Cost | None, decision: str | None) -> str:
    """Say why distances are not measured; empty where they are."""
    if asked is False or decision == "none":
        return "not asked for" if asked is False else "nothing is decided"
    if asked is None and cost is not None and cost.multiply_adds > MEASURE_BUDGET // 16:
        return f"one pass takes {cost.multiply_adds} products, above the budget; ask for distances to have them"
    return ""


def _examined(
    bench: Bench, setup: Setup, dataset: Dataset, size: int, workers: int, part: Callable[[int, int], None]
) -> tuple[list[Chunk], int]:
    """Examine the first chunk here; start processes where the rest is worth it."""
    starts = list(range(0, dataset.count, size))
    rounded = 0
    found: list[Chunk] = []
    clock = time.monotonic()

    def pieces(which: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        nonlocal rounded
        for start in which:
            points, changed = dataset.points(start, min(start + size, dataset.count))
            rounded += changed
            yield start, points

    for start, points in pieces(starts[:1]):
        found.append(examine(bench, points, start))
    spent = time.monotonic() - clock
    part(1, len(starts))
    rest = starts[1:]
    if workers > 1 and len(rest) > 1 and spent * len(rest) > PATIENCE:
        results = _in_processes(setup, pieces(rest), min(workers, len(rest)))
    else:
        results = (examine(bench, points, start) for start, points in pieces(rest))
    for chunk in results:
        found.append(chunk)
        part(len(found), len(starts))
    return found, rounded


_WORKER: list[Bench] = []


def _start_worker(setup: Setup) -> None:
    _WORKER.append(set_up(setup, confirmed=False))


def _work(start: int, points: Floats) -> Chunk:
    return examine(_WORKER[0], points, start)


def _in_processes(setup: Setup, pieces: Iterator[tuple[int, Floats]], workers: int) -> Iterator[Chunk]:
    """Examine chunks in several processes, in order, with few chunks in flight so that memory stays bounded."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (setup,))
    waiting: list[Future[Chunk]] = []
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # processes and threads together would fight for the cores
    try:
        for start, points in pieces:
            waiting.append(pool.submit(_work, start, points))
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()
    except BrokenProcessPool:
        text = "a worker process ended before its work was done, perhaps for lack of memory; try one worker"
        raise BudgetError(text) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _label_indices(bench: Bench, labels: Sequence[str]) -> Ints:
    """Turn labels into output indices (for the rule "sign" into 1 or 0).

    Raises:
        InputError: a label that is neither a class name nor the position of a class; the row is named.
    """
    plan = bench.plan
    if plan.rule == "none":
        raise InputError(f"labels: the model decides nothing; state a rule with {spelled('decision=…', '--decision')}")
    outputs = (0, 1) if plan.rule == "sign" else plan.outputs
    names = plan.labels if len(plan.labels) == len(outputs) else tuple(str(i) for i in range(len(outputs)))
    seats = {str(i): output for i, output in enumerate(outputs)} | dict(zip(names, outputs, strict=True))
    for row, label in enumerate(labels):
        if label not in seats:
            shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            raise InputError(f"labels: row {row}: {label!r} is none of the classes {shown}")
    return np.array([seats[label] for label in labels], dtype=np.int64)


def _unit_counts(bench: Bench, found: Chunk) -> tuple[UnitCounts, ...]:
    """Count units whose winner is the same at every sample."""
    counts: list[UnitCounts] = []
    for position, low, high in zip(bench.program.max_positions, found.lowest, found.highest, strict=False):
        instruction = bench.program.instructions[position]
        if isinstance(instruction, Max):
            counts.append(_count(_node(bench, position), instruction.groups, low, high))
    return tuple(counts)


def _count(name: str, groups: IndexArray, low: IndexArray, high: IndexArray) -> UnitCounts:
    same = (low == high) & ((groups != NO_CANDIDATE).sum(axis=1) > 1)
    zero = np.take_along_axis(groups, low[:, None], axis=1)[:, 0] == CONSTANT_ZERO
    gated = (groups == CONSTANT_ZERO).any(axis=1)
    dead, on, settled = same & zero, same & ~zero & gated, same & ~gated
    return UnitCounts(name, len(groups), int(dead.sum()), int(on.sum()), int(settled.sum()))


def _node(bench: Bench, position: int) -> str:
    return bench.program.provenance[position].node if bench.program.provenance else f"max {position}"


