"""Enumerations of programs that no file holds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from exactbox.enumerating import Enumerated, enumerate
from exactbox.loading import Model, load
from exactbox.polytope.domain import Domain, box
from exactbox.polytope.program import Program
from tests.source_tree import REPOSITORY


@cache
def bundled() -> Model:
    return load(REPOSITORY / "exactbox" / "data" / "iris_pipeline.onnx", verify=False)


def enumerated(program: Program, domain: Domain | None = None, **options: Any) -> Enumerated:
    """Enumerate a program in a domain, by default [-1, 1]^d; a single output is decided by its sign."""
    where = domain or box([-1] * program.input_size, [1] * program.input_size)
    rule = options.pop("decision", "sign" if program.output_size == 1 else "argmax")
    return enumerate(replace(bundled(), program=program), domain=where, decision=rule, **options)
