"""``exactbox inventory``, ``audit`` and ``compare``: they read options, call the library, and print."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from exactbox.audit_plot import draw_audit
from exactbox.audit_report import blocks, document
from exactbox.auditing import Audit, audit
from exactbox.comparing import compare
from exactbox.comparing_report import comparison_blocks, comparison_document
from exactbox.datasets import split_data
from exactbox.files import check_apart, check_writable, write_whole
from exactbox.fixing import parse_fixes
from exactbox.inventory_report import inventory_blocks, inventory_document
from exactbox.loading import inventory, parse_dims, parse_limits
from exactbox.plots import require_matplotlib
from exactbox.polytope.printable import printable_json
from exactbox.progress import Stages
from exactbox.report import print_blocks
from exactbox.sources import given

STAGES = 3
CODES = {"equal": 0, "different": 1, "undecided": 2}


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """The options of ``exactbox audit``."""

    model: str
    data: Sequence[str]
    labels: str | None = None
    output: str | None = None
    output_row: int | None = None
    decision: str | None = None
    target: str | None = None
    class_names: str | None = None
    box: tuple[str, str] | None = None
    distances: bool | None = None
    workers: int | None = None
    fail_on_flip: bool = False
    plot: str | None = None
    out: str | None = None
    dim: Sequence[str] = ()
    fix: Sequence[str] = ()
    limit: Sequence[str] = ()
    mean: str | None = None
    std: str | None = None
    header: bool | None = None


def run_inventory(
    model: str,
    as_json: bool,
    output: str | None = None,
    dim: Sequence[str] = (),
    fix: Sequence[str] = (),
    limit: Sequence[str] = (),
) -> int:
    """List what a model holds; 0 for refused models too."""
    with Stages(1) as stages:
        stages.begin("reading the model")
        found = inventory(model, output, parse_dims(dim), parse_limits(limit), fix=parse_fixes(fix))
    if as_json:
        click.echo(_json({"exit_code": 0, **inventory_document(found)}))
    else:
        print_blocks(inventory_blocks(found), "What the model holds")
    return 0


def run_audit(options: AuditOptions, as_json: bool) -> int:
    """Audit a model on data, print what was found, and write what was asked for.

    Returns:
        0, or 2 where a difference exceeds its bound or no bound can be stated, so that nothing is proved, or 1 where a
        decision flips and that was asked to count.
    """
    _check_outputs(options)
    with Stages(STAGES) as stages:
        found = audit(
            options.model,
            split_data(options.data, options.header),
            given(options.labels, options.header),
            output=options.output,
            output_row=options.output_row,
            decision=options.decision,
            target=options.target,
            class_names=given(options.class_names, options.header),
            dims=parse_dims(options.dim),
            fix=parse_fixes(options.fix),
            mean=given(options.mean, options.header),
            std=given(options.std, options.header),
            limits=parse_limits(options.limit),
            box=options.box,
            distances=options.distances,
            workers=options.workers or os.cpu_count() or 1,
            watcher=stages,
        )
        code = 2 if found.unproved else 1 if options.fail_on_flip and found.flipped.any() else 0
        content = {"exit_code": code, **document(found)} if as_json or options.out is not None else {}
        written = _write(found, content, options)
    if as_json:
        click.echo(_json({**content, "written": written}))
    else:
        hint = ["nothing: -o FILE writes every sample, --plot FILE draws them"]
        print_blocks([*blocks(found), ("written", written or hint)], "The exact function beside the deployed one")
    return code


def run_compare(
    left: str,
    right: str,
    as_json: bool,
    box: tuple[str, str] | None = None,
    data: Sequence[str] = (),
    header: bool | None = None,
    outputs: tuple[str, str] | None = None,
    points: int = 4096,
    dim: Sequence[str] = (),
    fix: Sequence[str] = (),
    limit: Sequence[str] = (),
) -> int:
    """Compare two models; 0 for equal, 1 for different, 2 for undecided."""
    with Stages(1) as stages:
        stages.begin("comparing")
        found = compare(
            left,
            right,
            box=box,
            data=split_data(data, header) if data else None,
            outputs=outputs or (None, None),
            dims=parse_dims(dim),
            fix=parse_fixes(fix),
            limits=parse_limits(limit),
            points=points,
        )
    code = CODES[found.verdict]
    if as_json:
        click.echo(_json({"exit_code": code, **comparison_document(found)}))
    else:
        print_blocks(comparison_blocks(found), "Are the two models the same function?")
    return code


def _check_outputs(options: AuditOptions) -> None:
    """Refuse output paths before any work is done for them."""
    if options.out is not None:
        check_writable(Path(options.out), ".json")
    if options.plot is not None:
        require_matplotlib()
        check_writable(Path(options.plot), ".png", ".svg")
    check_apart(options, {"out": "-o", "plot": "--plot"})


def _write(found: Audit, content: Mapping[str, Any], options: AuditOptions) -> list[str]:
    written: list[str] = []
    if options.out is not None:
        text = _json(content) + "\n"
        write_whole(Path(options.out), lambda path: path.write_text(text, encoding="utf-8"))
        written.append(options.out)
    if options.plot is not None:
        draw_audit(found, Path(options.plot))
        written.append(options.plot)
    return written


def _json(content: Mapping[str, Any]) -> str:
    return printable_json(json.dumps(content, ensure_ascii=False, allow_nan=False))
