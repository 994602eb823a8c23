"""Prints what came of every conformance case of the onnx package: exact agreement, refusals and why, wrong results.

Run as ``python benchmarks/bench_conformance.py [CASES.tsv]`` at the root of the checkout. All kinds are run that the
package ships (node, simple, pytorch-converted, pytorch-operator); the kind "real" would have to be downloaded. A case
agrees where the expected numbers lie within the bound that enclosed float arithmetic of the program gives at the case's
inputs; tails (a Softmax, an ArgMax) are counted by themselves, as only their order is compared. The optional table
names cases (column ``case``), their class (column ``class``) and the inputs that vary (column ``variable_inputs``);
those of its classes PWL, AFFINE and CONST are counted by kind, and each that does not agree is listed with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.importers.conformance import Outcome, run
from tests.importers.conformance_cases import KINDS, cases, stated_inputs

LINEAR = ("PWL", "AFFINE", "CONST")

Rows = Mapping[str, Mapping[str, str]]


def outcomes(rows: Rows) -> dict[str, Outcome]:
    """Run every case, with the inputs varying that the rows state; returns what came of each by its name."""
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases' own generators overflow on purpose
        for case in cases():
            stated = rows[case.name]["variable_inputs"] if case.name in rows else None
            found[case.name] = run(case, Path(folder), stated)
    return found


def table(found: Mapping[str, Outcome]) -> list[str]:
    """Return one line an operator: cases, agreement, tails, refusals, disputed and wrong ones, and why."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    why: dict[str, set[str]] = defaultdict(set)
    for outcome in found.values():
        counts[outcome.op][outcome.status] += 1
        if outcome.status != "tail":  # also of an agreeing case: which of its outputs were left out
            why[outcome.op].update([f"{op}: {text}" for op, text in outcome.refusals] or {outcome.detail} - {""})
    head = f"{'operator':<36}{'cases':>6}{'agree':>7}{'tail':>6}{'refused':>9}{'disputed':>10}{'wrong':>7}  why"
    lines = [head]
    for op in sorted(counts):
        row = counts[op]
        numbers = f"{row.total():>6}{row['agree']:>7}{row['tail']:>6}{row['refused']:>9}{row['disputed']:>10}"
        lines.append(f"{op:<36}{numbers}{row['wrong']:>7}  {_shortened('; '.join(sorted(why[op])))}".rstrip())
    return lines


def _shortened(text: str, width: int = 110) -> str:
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def totals(found: Mapping[str, Outcome]) -> list[str]:
    """Return one line a kind."""
    lines: list[str] = []
    for kind in KINDS:
        row = Counter(outcome.status for outcome in found.values() if outcome.kind == kind)
        parts = ", ".join(f"{row[status]} {status}" for status in ("agree", "tail", "refused", "disputed", "wrong"))
        lines.append(f"{kind}: {row.total()} cases: {parts}")
    return lines


def classified(found: Mapping[str, Outcome], rows: Rows) -> list[str]:
    """Return how many of the cases that a table calls piecewise linear agree, and those that do not."""
    linear = [name for name, row in rows.items() if row["class"] in LINEAR]
    lines: list[str] = []
    for kind in KINDS:
        known = [name for name in linear if rows[name]["kind"] == kind]
        agree = sum(name in found and found[name].status == "agree" for name in known)
        share = 100 * agree / max(len(known), 1)
        lines.append(f"piecewise linear, {kind}: {agree} of {len(known)} agree ({share:.1f} %)")
    for name in sorted(name for name in linear if name not in found or found[name].status != "agree"):
        item = found.get(name)
        lines.append(f"  {name}: " + ("not in this onnx package" if item is None else f"{item.status}: {item.detail}"))
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=Path, help="the table that names cases")
    table_of_cases: Path | None = parser.parse_args().cases
    rows = {} if table_of_cases is None else stated_inputs(table_of_cases)
    found = outcomes(rows)
    print("\n".join([*table(found), *totals(found), *(classified(found, rows) if rows else [])]))


if __name__ == "__main__":
    main()
