"""Prints what came of every node case of the onnx package: exact agreement, refusals and why, wrong results.

Run as ``python benchmarks/bench_conformance.py [CLASSES.tsv]`` at the root of the checkout. A case agrees where the
expected numbers lie within the bound that enclosed float arithmetic of the program gives at the case's inputs. The
optional table names cases (column ``case``) and their class (column ``class``); those that it calls PWL, AFFINE or
CONST are counted by themselves.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.importers.conformance import Outcome, cases, run

LINEAR = ("PWL", "AFFINE", "CONST")


def outcomes() -> dict[str, tuple[str, Outcome]]:
    """Run every case; returns its first operator and what came of it, by the case's name."""
    found: dict[str, tuple[str, Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases' own generators overflow on purpose
        for case in cases():
            found[case.name] = case.model.graph.node[0].op_type, run(case, Path(folder))
    return found


def table(found: dict[str, tuple[str, Outcome]]) -> list[str]:
    """Return one line an operator: cases, agreement, tails, refusals and wrong ones, and the refusing operators."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    why: dict[str, set[str]] = defaultdict(set)
    for op, outcome in found.values():
        counts[op][outcome.status] += 1
        if outcome.status in ("refused", "wrong"):
            why[op].add(outcome.detail)
    lines = [f"{'operator':<32}{'cases':>6}{'agree':>7}{'tail':>6}{'refused':>9}{'wrong':>7}  why"]
    for op in sorted(counts):
        row = counts[op]
        numbers = f"{row.total():>6}{row['agree']:>7}{row['head']:>6}{row['refused']:>9}{row['wrong']:>7}"
        lines.append(f"{op:<32}{numbers}  {'; '.join(sorted(why[op]))[:80]}")
    return lines


def classified(found: dict[str, tuple[str, Outcome]], path: Path) -> list[str]:
    """Return how many of the cases that a table calls piecewise linear agree, and those that do not."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["class"] in LINEAR and row["kind"] == "node"]
    known = {row["case"]: found.get(row["case"]) for row in rows}
    agree = [name for name, item in known.items() if item is not None and item[1].status in ("agree", "head")]
    lines = [f"piecewise linear: {len(agree)} of {len(known)} agree ({100 * len(agree) / max(len(known), 1):.1f} %)"]
    for name in sorted(set(known) - set(agree)):
        item = known[name]
        what = (
            "refused: not read, as a value is no plain tensor of a float type, or not in this onnx"
            if item is None
            else f"{item[1].status}: {item[1].detail}"
        )
        lines.append(f"  {name}: {what}")
    return lines


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    found = outcomes()
    print("\n".join(table(found)))
    total = Counter(outcome.status for _, outcome in found.values())
    print(f"all: {total.total()} cases, {dict(sorted(total.items()))}")
    for path in arguments:
        print("\n".join(classified(found, Path(path))))


if __name__ == "__main__":
    main(sys.argv[1:])
