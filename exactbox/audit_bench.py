"""One model set up for an audit: its exact program beside the original file in onnxruntime, four ways of running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.boxes import DomainRead
from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.fixing import opened, pinned
from exactbox.importers.deployed import (
    LogitReader,
    RuntimeRefusal,
    Session,
    batchable,
    coarsest,
    inner_tensors,
    label_output,
    logit_reader,
    open_session,
    run_batch,
    run_single,
    score_output,
    unbounded,
)
from exactbox.importers.fixing import pins
from exactbox.importers.headcheck import PLAIN_OPS
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enclosed import Arithmetic
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.simplify import simplify
from exactbox.preprocessing import Preprocessing, in_front, preprocessing

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One way of running the file.

    Args:
        optimised: whether the runtime may rewrite the graph.
        batched: whether samples are run together.
    """

    name: str
    optimised: bool
    batched: bool


WAYS = (
    Way("node by node, one sample at a time", False, False),
    Way("node by node, in batches", False, True),
    Way("optimised, one sample at a time", True, False),
    Way("optimised, in batches", True, True),
)
"""The first one also shows its inner tensors."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Setup:
    """What a worker needs to set the model up; see ``auditing.audit``.

    Args:
        path: of the model, or its bytes.
        unmeasured: why no distances are computed; empty where they are.
    """

    path: str | bytes
    output: str | None = None
    dims: tuple[tuple[str, int], ...] = ()
    decision: str | None = None
    output_row: int | None = None
    target: int | str | None = None
    class_names: tuple[str, ...] = ()
    lower: str | None = None
    upper: str | None = None
    unmeasured: str = ""
    limits: Limits = DEFAULT_LIMITS
    fix: tuple[tuple[str, object], ...] = ()
    mean: object = None
    std: object = None


@dataclass(frozen=True, eq=False)
class Fed:
    """Samples behind the preprocessing.

    Args:
        exactly: shape (d, b), the model's exact inputs.
        floats: shape (d, b), what the runtime is fed with, in the model's input types.
        apart: shape (d, b), bounds of the difference, or None where there is none.
    """

    exactly: Rationals
    floats: Floats
    apart: Floats | None


@dataclass(frozen=True, eq=False)
class Bench:
    """A model ready to be examined.

    Args:
        lowered: the program as the nodes were lowered, with what ties it to the file's tensors.
        program: its canonical form, behind the preprocessing where one is stated.
        plan: what is decided.
        domain: where regions and distances are meant.
        arithmetic: covers every float format of the model.
        reader: which tensors hold the logits.
        label: the model's own output that names the decision, or None.
        score: the explained output where it lies above the logits, or None.
        sessions: by ``Way.optimised``.
        measure: whether distances are computed.
        preprocessing: what is done to the data first, or None.
        unbounded: why no bound of the float error is stated; empty where one is.
    """

    lowered: Lowered
    program: Program
    plan: DecisionPlan
    domain: Domain
    arithmetic: Arithmetic
    reader: LogitReader
    label: str | None
    score: str | None
    sessions: Mapping[bool, Session | RuntimeRefusal]
    measure: bool
    preprocessing: Preprocessing | None = None
    unbounded: tuple[str, ...] = ()

    def fed(self, points: Floats) -> Fed:
        """Return what the model is given for samples (d, b): exactly, and as the runtime is fed with it."""
        columns = exact(points)
        steps = self.preprocessing
        if steps is None:
            return Fed(columns, points, None)
        inverse = from_fractions([1 / value for value in steps.std.fractions()]).reshape(-1, 1)
        exactly = (columns - steps.mean.reshape(-1, 1)) * inverse
        floats = in_types(self.program.inputs, exactly.to_float())
        with np.errstate(all="ignore"):
            apart = np.abs((exact(floats) - exactly).to_float()) * (1 + 2.0**-50)
        return Fed(exactly, floats, apart)

    def run(self, way: Way, points: Floats) -> list[dict[str, Any]] | RuntimeRefusal:
        """Run samples (d, b) in the runtime; returns the tensors of each sample."""
        session = self.sessions[way.optimised]
        if isinstance(session, RuntimeRefusal):
            return session
        names = [*self.reader.tensors, *(name for name in (self.label, self.score) if name is not None)]
        if way == WAYS[0]:
            names += inner_tensors(self.lowered)
        wanted = list(dict.fromkeys(names))
        file = self.lowered.file
        if not way.batched:
            return run_single(session, file, self.program, wanted, points)
        if not batchable(file, self.program):
            return RuntimeRefusal("the file fixes the number of samples at one")
        return run_batch(session, file, self.program, wanted, points)

    @property
    def exact_tail(self) -> bool:
        """Whether what lies above the logits only picks or names one, and rounds nothing."""
        return frozenset(self.program.head.ops) <= PLAIN_OPS

    @property
    def rows(self) -> int:
        """The number of output rows that a decision was chosen from."""
        return max(self.program.output_size // max(len(self.model_row), 1), 1)

    @property
    def model_row(self) -> Sequence[int]:
        """The output indices of the row that the model's own label speaks of."""
        width = self.program.output.shape[-1] if self.program.output.shape else 1
        start = self.plan.outputs[0] // width * width if self.plan.outputs and width else 0
        return range(start, start + width)


def set_up(setup: Setup, *, confirmed: bool = True) -> Bench:
    """Import the model and open the runtime's sessions.

    Args:
        confirmed: whether to compare every tensor with the runtime's, as ``load`` does: where they differ, or where
            rounding may settle a step of a constant otherwise, no bound of the float error is stated.

    Raises:
        InputError: the file or an option is malformed.
        UnsupportedModelError: the explained output is not piecewise linear.
    """
    file = opened(setup.path, setup.limits, dict(setup.dims), dict(setup.fix))
    lowered = lower_file(file, setup.output, dict(setup.dims), setup.limits)
    bare = simplify(lowered.program)
    steps = preprocessing(bare, setup.mean, setup.std)
    if steps is not None and pins(bare.inputs, file.fixed):
        raise InputError("fix: single entries of an input cannot be fixed together with mean or std")
    program = bare if steps is None else in_front(bare, steps)
    plan = plan_decision(program, setup.decision, setup.output_row, setup.target, setup.class_names)
    if not program.output_size:
        raise InputError(f"{file.path}: nothing to audit: {plan.text.removeprefix('none: ')}")
    if setup.target is not None and plan.rule != "sign":
        raise InputError(
            f"target: {setup.target!r} names the output whose sign decides, but the decision is {plan.text}: leave the "
            "target out, or state the decision sign"
        )
    reader = logit_reader(lowered)
    inner = [*dict.fromkeys([*reader.tensors, *inner_tensors(lowered)])]
    size = program.input_size
    bounded = setup.lower is not None or setup.upper is not None
    domain = box([setup.lower] * size, [setup.upper] * size) if bounded else everything(size)
    return Bench(
        lowered,
        program,
        plan,
        pinned(DomainRead(domain, "the box"), pins(program.inputs, file.fixed)).domain,
        coarsest(lowered),
        reader,
        label_output(lowered),
        score_output(lowered),
        {
            False: open_session(lowered.file, inner, optimised=False),
            True: open_session(lowered.file, reader.tensors, optimised=True),
        },
        not setup.unmeasured,
        steps,
        unbounded(lowered, bare) if confirmed else (),
    )


def in_types(ports: Sequence[Port], values: Floats) -> Floats:
    """Round floats (d, b) to the types of a model's inputs.

    Raises:
        InputError: an input takes whole numbers, or a number overflows.
    """
    found = values.copy()
    start = 0
    for port in ports:
        if not port.dtype.startswith("float"):
            raise InputError(f"input {port.name!r} of type {port.dtype} takes no numbers that a mean and std give")
        with np.errstate(over="ignore"):
            part = found[start : start + port.size]
            part[:] = part.astype(port.dtype)
        start += port.size
    if not np.isfinite(found).all():
        raise InputError("mean and std: a value overflows the type of the model's input")
    return found
