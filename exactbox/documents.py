"""Results as plain data for JSON: floats for reading, exact numbers as text "p/q" in decimal."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from exactbox.across import EVIDENCE, shared_words
from exactbox.certifying import Certified, row_count
from exactbox.findings import binding_words, name_row, nearest, not_claimed, row_counts
from exactbox.loading import Model
from exactbox.measures import Geometry
from exactbox.polytope.distance import Distance
from exactbox.polytope.opinion import Opinion
from exactbox.polytope.rational import Rationals
from exactbox.rounding import exact_text

Document = dict[str, Any]

NEAREST = 5
"""How many facets are listed as nearest."""


def document(found: Certified) -> Document:
    """Return a result as data that ``json.dumps`` accepts; the key "skipped" says why a part is null."""
    return {
        "model": model_document(found.model),
        "input": _input(found),
        "output": {"name": found.program.output.name, "shape": list(found.program.output.shape),
                   "choice": found.model.source.output_choice, "values": floats(found.values)},
        "domain": _domain(found),
        "decision": _decision(found),
        "region": _region(found),
        "distances": _distances(found),
        "held": _held(found),
        "explanation": _explanation(found),
        "opinion": None if found.opinion is None else _opinion(found, found.opinion),
        "skipped": dict(found.skipped),
        "not_claimed": not_claimed(found),
    }  # fmt: skip


def model_document(model: Model) -> Document:
    """Return a model's origin as data."""
    source, steps = model.source, model.preprocessing
    confirmation = source.confirmation
    return {
        "path": source.path,
        "sha256": source.sha256,
        "external": [{"name": name, "sha256": sha256} for name, sha256 in source.external],
        "inputs": [{"name": p.name, "shape": list(p.shape), "dtype": p.dtype} for p in model.program.inputs],
        "head": list(model.program.head.ops),
        "preprocessing": None if steps is None else steps.text,
        "runtime": {"status": confirmation.status, "reason": confirmation.reason, "points": confirmation.points,
                    "largest_difference": finite(confirmation.max_difference), "bound": finite(confirmation.bound)},
        "replaced_constants": [{"node": c.node, "expression": c.expression, "value": exact_text(c.value)}
                               for c in source.replaced_constants],
        "notes": list(source.notes),
        "warnings": list(source.warnings),
    }  # fmt: skip


def floats(values: Rationals) -> list[Any]:
    """Return correctly rounded floats, nested like the array; null where one overflows."""
    nested: list[Any] = values.to_float().tolist()
    return _finite(nested)


def number(value: Fraction | None) -> Document | None:
    """Return one exact number as a float and as text."""
    return None if value is None else {"float": _float(value), "exact": exact_text(value)}


def finite(value: float) -> float | None:
    """Return a float, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def _float(value: Fraction) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _finite(nested: list[Any]) -> list[Any]:
    return [_finite(entry) if isinstance(entry, list) else finite(entry) for entry in nested]


def _input(found: Certified) -> Document:
    read = found.input
    return {
        "origin": read.origin,
        "size": read.point.size,
        "changed": read.changed,
        "exact": read.exact,
        "rounding": read.rounding,
        "names": list(found.input_names),
        "values": floats(read.point),
        "values_exact": [exact_text(value) for value in read.point.fractions()],
    }


def _domain(found: Certified) -> Document:
    domain = found.domain.domain
    return {
        "text": found.domain.text,
        "size": domain.size,
        "dimension": domain.dimension,
        "lower": [None if bound is None else exact_text(bound) for bound in domain.lower],
        "upper": [None if bound is None else exact_text(bound) for bound in domain.upper],
        "rows": len(domain.rows),
    }


def _decision(found: Certified) -> Document:
    decision, plan = found.decision, found.plan
    base: Document = {"rule": plan.rule, "text": plan.text, "outputs": list(plan.outputs), "labels": list(plan.labels)}
    if decision is None:
        return {**base, "chosen": None, "class": None, "margin": None, "ties": []}
    return {
        **base,
        "chosen": decision.chosen,
        "class": found.class_name,
        "margin": number(decision.margin),
        "ties": list(decision.ties),
    }


def _region(found: Certified) -> Document:
    counts = row_counts(found)
    near = [
        {"name": name_row(found, one.source), "linf": number(one.linf), "steepest_inputs": list(one.inputs)}
        for one in nearest(found, NEAREST)
    ]
    return {
        "units": found.program.unit_count,
        "rows": row_count(found.program),
        "others_contain_the_input": found.shared,
        "pattern": [part.tolist() for part in found.region.pattern.winners],
        "rows_by_verdict": None if counts is None else dict(vars(counts)),
        "nearest": near,
        "geometry": None if found.geometry is None else _geometry(found.geometry),
    }


def _opinion(found: Certified, opinion: Opinion) -> Document:
    row = opinion.row
    name = None if row is None or found.minimal is None else name_row(found, found.minimal.sources[row])
    figures = {key: finite(value) if isinstance(value, float) else value for key, value in opinion.as_dict().items()}
    return {**figures, "row_name": name}


def _geometry(found: Geometry) -> Document:
    box, ball = found.bounding_box, found.ball
    return {
        "ball": None if ball is None else {"radius": number(ball.radius), "limit": number(ball.limit),
                                           "centre": floats(ball.centre)},
        "bounding_box": None if box is None else [[number(low), number(high)] for low, high in box],
        "vertices": None if found.vertices is None else floats(found.vertices),
        "volume": number(found.volume),
        "skipped": dict(found.skipped),
    }  # fmt: skip


def _distances(found: Certified) -> Document | None:
    if found.distances is None:
        return None
    return {
        "region": {norm: _distance(found, one) for norm, one in found.distances.region.items()},
        "decision": {norm: _distance(found, one) for norm, one in found.distances.decision.items()} or None,
    }


def _held(found: Certified) -> Document | None:
    """How far the decision holds across the borders of regions; a radius of null is the whole domain."""
    if found.held is None:
        return None
    radii: Document = {norm: number(one.radius) for norm, one in found.held.items()}
    return {**radii, "evidence": EVIDENCE, "in_certificate": False}


def _distance(found: Certified, one: Distance) -> Document:
    binding = binding_words(found, one) or None
    squared = one.norm == "l2"
    value = None if one.value is None else _float(one.value)
    root = math.sqrt(value) if squared and value is not None else value
    exact_key = "exact_square" if squared else "exact"
    return {"float": root, exact_key: None if one.value is None else exact_text(one.value), "binding": binding}


def _explanation(found: Certified) -> Document | None:
    if found.target is None:
        return None
    k = found.target
    return {
        "target": k,
        "name": found.plan.name(k),
        "value": number(found.values.item(k)),
        "intercept": number(found.constant),
        "coef": floats(found.weights),
        "coef_exact": [exact_text(value) for value in found.weights.fractions()],
        "contributions": floats(found.contributions),
        "note": shared_words(found) or None,
    }
