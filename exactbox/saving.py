"""Certificates of results: what is stated, and what is said beside the statement."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from exactbox import __version__
from exactbox.certifying import Certified
from exactbox.files import check_writable
from exactbox.loading import Model
from exactbox.polytope.distance import Distance, Norm
from exactbox.rounding import exact_text
from exactbox.verify.certificate import Claims, Of, write_certificate

Info = dict[str, str | Sequence[str]]


def save(found: Certified, path: str | os.PathLike[str]) -> list[str]:
    """Write a result's certificate, and its program file beside it; both or neither.

    Returns:
        the paths of the two files.

    Raises:
        InputError: a file cannot be written.
        BudgetError: a number has more digits than the format allows.
    """
    target = Path(path)
    check_writable(target)
    program = write_certificate(target, found.region, claims(found), info(found))
    return [str(target), str(program)]


def claims(found: Certified) -> Claims:
    """Return what is stated beside the region and its affine map."""
    parts = found.distances
    listed = [] if parts is None else [*_to("region", parts.region), *_to("decision", parts.decision)]
    return Claims(found.decision, found.minimal, "region", listed, found.stated)


def _to(what: Of, by_norm: Mapping[Norm, Distance]) -> list[tuple[Of, Distance]]:
    return [(what, one) for one in by_norm.values()]


def info(found: Certified) -> Info:
    """Return what the certificate says beside its statement; the checker proves nothing about it."""
    return {
        "exactbox": __version__,
        **model_info(found.model),
        "input": found.input.origin,
        "rounding": found.input.rounding,
        "input_names": list(found.input_names),
        "decision": found.plan.text,
        "classes": list(found.plan.labels),
        "domain": found.domain.text,
    }


def model_info(model: Model) -> Info:
    """Return where the program comes from, and the options under which the model lowers to it again."""
    source, steps = model.source, model.preprocessing
    return {
        "model": Path(source.path).name,
        "model_sha256": source.sha256,
        "external": [f"{name} {sha256}" for name, sha256 in source.external],
        "runtime": source.confirmation.status,
        "replaced_constants": [f"{one.node}: {one.expression}" for one in source.replaced_constants],
        "output": model.output or "",
        "dims": [f"{name}={size}" for name, size in model.dims],
        "fix": list(model.fix),
        "mean": [] if steps is None else _texts(steps.mean_stated),
        "std": [] if steps is None else _texts(steps.std_stated),
        "slice": [] if model.slice is None else model.slice.exact_points,
    }


def _texts(values: Sequence[Fraction]) -> list[str]:
    return [exact_text(value) for value in values]
