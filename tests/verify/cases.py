"""Certificates to check and to damage: a battery of true ones, and what the checker says of any."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from exactbox.polytope.canonical import program_text
from exactbox.polytope.decision import Decision, decide, decision_rows, lost_ties
from exactbox.polytope.distance import NORMS, Distance, distance
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.facets import minimal
from exactbox.polytope.program import Add, Gather, Head, HeadStep, Input, MatMul, Max, Port, Program, Scale, Shift
from exactbox.polytope.rational import exact
from exactbox.polytope.region import Region, region_at
from exactbox.polytope.rows import join
from exactbox.verify import check
from exactbox.verify.certificate import Claims, Of, certificate_text
from tests.nets import BATTERY
from tests.source_tree import REPOSITORY

Rule = Literal["argmax", "argmin", "sign"]
Tie = Literal["first", "last"]
FORMAT = (REPOSITORY / "verify" / "FORMAT.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """A certificate and its program as JSON values."""

    certificate: Any
    program: Any

    def copy(self) -> Case:
        """Return a deep copy to damage."""
        return copy.deepcopy(self)

    def texts(self) -> tuple[bytes, bytes]:
        """Return both files, with the program's hash recomputed so that no checksum refuses a change."""
        program = json.dumps(self.program, separators=(",", ":")).encode()
        certificate = copy.deepcopy(self.certificate)
        if isinstance(certificate, dict) and isinstance(certificate.get("program"), dict):
            certificate["program"]["sha256"] = hashlib.sha256(program).hexdigest()
        return json.dumps(certificate, separators=(",", ":")).encode(), program


@dataclass(frozen=True)
class Outcome:
    """What the checker says: exit code, reason of a refusal, and of an accepted certificate the statement."""

    code: int
    reason: str
    statement: str = ""
    lines: tuple[str, ...] = ()


def run(certificate: bytes, program: bytes) -> Outcome:
    """Check two files; anything but an answer or a refusal is an error of the test."""
    try:
        report = check.check(certificate, program)
    except check.Rejected as error:
        return Outcome(error.code, str(error))
    return Outcome(0, "", report.statement_sha256, report.lines)


def outcome(case: Case) -> Outcome:
    """Check a case after recomputing its hash."""
    return run(*case.texts())


def worked_example() -> Case:
    """Return the example of FORMAT.md."""
    blocks = dict(re.findall(r"<!-- example: (\w+) -->\n```json\n(.*?)```", FORMAT, re.DOTALL))
    return Case(json.loads(blocks["certificate"]), json.loads(blocks["program"]))


def convolution() -> Program:
    """Return a small net with every instruction: padding, two groups of shared weights, a fused max-pool."""
    padded = Gather((0,), np.array([-1, 0, 1, 0, 1, 2, 1, 2, -1, 2, 0, 1], dtype=np.int64))
    weight = exact([[["1/2", "-1", "1"]], [["1", "1/4", "-1/8"]]])
    both = Gather((3, 0), np.array([0, 1, 2, 3, 4, 6, 5, -1], dtype=np.int64))
    pool = Max(7, np.array([[-1, 0, 1], [2, 3, 4], [5, 6, -2]], dtype=np.int64))
    head = Head((HeadStep("Softmax"), HeadStep("ArgMax")), "argmax", "first", ("low", "mid", "high"))
    code = (
        Input(3),
        padded,
        MatMul(1, weight, 2),
        Shift(2, exact(["1/8", "-1/4", "0", "1/16"])),
        both,
        Scale(4, exact(["1", "-2", "1/3", "1", "3/2", "1", "-1/2", "5"])),
        Add(4, 5),
        Shift(6, exact(["0", "0", "0", "1", "0", "0", "1/5", "0"])),
        pool,
    )
    return Program((Port("a", (2,)), Port("b", (1, 1), "float64")), code, Port("y", (1, 3)), head)


def made(
    program: Program,
    domain: Domain,
    point: list[object],
    rule: Rule | None = None,
    of: Of = "region",
    more: bool = True,
) -> Case:
    """Certify a point, with facets, and with distances where the domain is a box."""
    x = exact(point)
    region = region_at(program, x, domain)
    decision = None
    rows = region.rows
    if rule is not None:
        compared = [0] if rule == "sign" else range(program.output_size)
        decision = decide(rule, compared, region.value(x), program.head.tie)
        rows = join(region.rows, decision_rows(region, decision))
    chosen = rows if of == "decision" else region.rows
    found: list[tuple[Of, Distance]] = []
    lost = lost_rows(region, decision) if of == "decision" else frozenset[int]()
    if more and domain.is_box:
        found = [(of, distance(domain, chosen, x, norm, lost)) for norm in NORMS]
    facets = minimal(domain, chosen, region.witness) if more else None
    text = certificate_text(region, Claims(decision, facets, of, found), {"model": "none", "labels": ["a", "b"]})
    return Case(json.loads(text), json.loads(program_text(program)))


def linear(weights: list[list[object]], constants: list[object], tie: Tie = "first") -> Program:
    """Return ``x . weights + constants``; weights (inputs, outputs)."""
    columns = [list(column) for column in zip(*weights, strict=True)]
    size, count = len(weights), len(constants)
    code = (Input(size), MatMul(0, exact([columns]), 1), Shift(1, exact(constants)))
    return Program((Port("x", (1, size)),), code, Port("y", (1, count)), Head(tie=tie))


def lost_rows(region: Region, decision: Decision | None) -> frozenset[int]:
    """Return the positions of the lost ties among the region's rows and then the decision's."""
    if decision is None:
        return frozenset()
    return frozenset(len(region.rows) + k for k in lost_ties(decision, region.program.head.tie))


@functools.cache
def battery() -> Mapping[str, Case]:
    """Return true certificates of many kinds, by name."""
    segment = domain_from_rows([0, 0], [None, None], [[1, 1], [-1, -1], [1, -3]], [1, -1, 1])
    triangle = domain_from_rows([0, 0], [None, 2], [[2, 1], [1, 1]], [2, 5], [], [])
    return {
        "worked example": worked_example(),
        "every instruction": made(convolution(), box([-1, 0, -1], [1, 1, 2]), ["1/2", "1/3", 0], "argmax", "decision"),
        "duplicated units, tie": made(BATTERY["duplicated"](), box([-1, -1], [1, 1]), [0, 0], "argmax", "decision"),
        "dead units, flat box": made(BATTERY["max over dead units"](), box([-1, 0], [1, 0]), [0, 0], "sign"),
        "half-bounded": made(BATTERY["integer"](), box([0, None], [None, 1]), ["1/3", "-1/2"], "argmin", "decision"),
        "no domain": made(BATTERY["scaled"](), everything(2), [1, 0], "sign", "decision"),
        "segment": made(BATTERY["residual"](), segment, ["1/2", "1/2"], "argmin", "region"),
        "triangle": made(BATTERY["negated"](), triangle, [0, "1/2"], "argmax", "region"),
        "bias-free at 0": made(BATTERY["bias-free"](), box([-2, -2], [2, 2]), [0, 0], "argmax", "decision"),
        "region alone": made(BATTERY["difference of relus"](), everything(2), [0, 0], None, "region", more=False),
        "rim: a tie is lost": made(linear([[0, 1]], [0, 0]), box([0], [1]), ["1/2"], "argmax", "decision"),
        "rim beside a row": made(linear([[0, 1, 0], [0, 0, 1]], [0, 0, "-1/4"]), box([0, -1], [1, 1]), ["1/8", "-1/2"],
                                 "argmax", "decision"),
        "rim: a tie is won": made(linear([[1, 0]], [0, 0]), box([0], [1]), ["1/2"], "argmax", "decision"),
        "rim: the sign ends": made(linear([[2], [1]], [0]), box([0, 0], [1, 3]), ["1/3", "1/2"], "sign", "decision"),
        "rim: the last wins": made(linear([[-1, 0], [0, 0]], [0, 0], tie="last"), box([0, 0], [1, 1]), ["1/2", "1/2"],
                                   "argmin", "decision"),
        "no unit": made(BATTERY["no unit"](), box([0, 0], [1, 1]), [1, 1], "argmax"),
    }
