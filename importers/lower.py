"""Lowers the nodes of a graph one after the other, and lists all those that cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from exactbox.importers.builder import Builder
from exactbox.importers.call import Call, ReplacedConstant
from exactbox.importers.fixing import ENCODERS, Start, settled
from exactbox.importers.graph import Graph, Node
from exactbox.importers.limits import Limits
from exactbox.importers.ops import load_families
from exactbox.importers.ops.shape import held
from exactbox.importers.registry import Outcome, folding_of, heading_of, lowering_of, refusal_of, stated_refusal
from exactbox.importers.values import (
    NEVER_WINS,
    Above,
    Choice,
    Constant,
    Data,
    RefusedError,
    Scores,
    Tail,
    Tensor,
    Value,
)
from exactbox.importers.versions import outside
from exactbox.polytope import enclosed
from exactbox.polytope.errors import InputError, LimitError, Refusal, UnsupportedModelError
from exactbox.polytope.exact import trace
from exactbox.polytope.program import Head, Port
from exactbox.polytope.rational import Rationals

ARITHMETIC = {
    "float16": enclosed.FLOAT16,
    "bfloat16": enclosed.BFLOAT16,
    "float32": enclosed.FLOAT32,
    "float64": enclosed.FLOAT64,
}


@dataclass(frozen=True, eq=False)
class Step:
    """One tensor of the model and the number of instructions there were once its node was lowered.

    Args:
        bare: the tensor holds these values only where the node's own tail is left out.
        inner: the tensor belongs to one turn of a subgraph, and has no name of its own in the file's graph.
    """

    node: Node
    tensor: str
    value: Value
    end: int
    bare: bool = False
    inner: bool = False


# What numpy raises where shapes of a malformed node meet in a way that no operator looked for.
_MISFITS = (ValueError, IndexError, OverflowError, ZeroDivisionError, MemoryError)


class RefusedInsideError(RefusedError):
    """Nodes of a subgraph have no exact meaning."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(f"{item.op} '{item.node}': {item.why}" for item in refusals))


class MisusedHeadError(RefusedError):
    """A monotone, curved function is used by something that is no monotone tail."""

    def __init__(self, origin: tuple[tuple[str, str], ...], user: Node) -> None:
        self.origin = origin
        self.user = user
        super().__init__(f"its result is used by {user}")


@dataclass(eq=False)
class Spent:
    """What the graph and its subgraphs cost so far: entries of all tensors, and nodes of subgraphs."""

    elements: int = 0
    inner_nodes: int = 0


@dataclass(eq=False)
class Lowering:
    """The state of a lowering: tensors so far, and what is to be told about it.

    Args:
        bare: scores that the present node computes before a tail of its own, by the tensor above that tail.
        unknown: tensors behind a refused node that depend on the input.
        users: a node that reads each tensor.
        spent: shared with the lowerings of subgraphs.
        known: vectors whose entries the user fixed, by position.
        texts: tensors of text that stay variable: inputs, and what moves their entries.
        exceeded: the first limit that the model goes beyond; what follows is then judged by its operators alone.
        place: where the graph stands, for the names of nodes of subgraphs; empty for the model's own.
        doubts: what a float execution may settle otherwise, with an effect that no bound covers.
        deviations: where a node stands, and what a runtime is known to make of it against the standard's text.
    """

    builder: Builder
    limits: Limits
    values: dict[str, Tensor] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    replaced: list[ReplacedConstant] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bare: list[tuple[str, Data]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    users: dict[str, Node] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    known: Mapping[int, Rationals] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    exceeded: LimitError | None = None
    place: str = ""
    doubts: list[str] = field(default_factory=list)
    deviations: list[tuple[str, str]] = field(default_factory=list)

    def begin(self, constants: Mapping[str, Constant], start: Start) -> None:
        """Take the graph's constants and inputs as they are before the first node."""
        self.values.update(constants)
        self.values.update(start.values)
        self.known = start.known
        self.texts.update(start.unknown)
        self.unknown.update(start.unknown)

    def run(self, nodes: Sequence[Node], wanted: Collection[str]) -> None:
        """Lower nodes in order; a node behind a refused one is left out."""
        load_families()
        self.users.update((name, node) for node in nodes for name in node.inputs)
        for node in nodes:
            missing = [name for name in node.inputs if name and name not in self.values]
            if missing:
                self._pass_over(node)
                continue
            inputs = tuple(self.values[name] if name else None for name in node.inputs)
            try:
                outputs = self._evaluate(node, inputs)
                self._keep(node, outputs, wanted)
            except _MISFITS as error:
                raise InputError(f"{node}: its operands or attributes do not fit together: {error}") from error
            except MisusedHeadError as error:
                self._refuse_origin(error)
                self._pass_over(node)
            except LimitError as error:
                self.exceeded = self.exceeded or error
                self.unknown.update(name for name in node.outputs if name)
            except RefusedInsideError as error:
                self.refusals += [item for item in error.refusals if item not in self.refusals]
                self._pass_over(node)
            except RefusedError as error:
                self.unknown.update(name for name in node.outputs if name)
                self.refusals.append(Refusal(node.name, node.op, str(error)))
        place = {(node.name, node.op): i for i, node in enumerate(nodes)}
        self.refusals.sort(key=lambda refusal: place.get((refusal.node, refusal.op), len(nodes)))

    def _pass_over(self, node: Node) -> None:
        """Judge a node behind a refused one by its operator alone, so that one error lists all in the way."""
        depends = [name in self.unknown or not self._fixed(name) for name in node.inputs]
        if node.op not in _SHAPE_ONLY and any(depends):
            self.unknown.update(name for name in node.outputs if name)
        textual = self.texts.intersection(node.inputs)
        if textual and node.op in MOVES:
            self.texts.update(name for name in node.outputs if name)
        encodes = refusal_of(node) if textual and node.op in ENCODERS else ""
        why = encodes or hopeless(node, depends) or self._misused(node, depends)
        if why:
            self.refusals.append(Refusal(node.name, node.op, why))

    def _fixed(self, name: str) -> bool:
        """Say whether a tensor is absent, constant, or unknown without depending on the input."""
        return isinstance(self.values.get(name), Constant) or name not in self.values

    def _misused(self, node: Node, depends: Sequence[bool]) -> str:
        """Say why a curved function behind a refused node stands in the way: something computes with its result."""
        user = self.users.get(node.outputs[0]) if node.outputs else None
        if node.op not in CURVED_HEADS or user is None or not any(depends):
            return ""
        harmless = user.op in _SAME | _RESHAPES | _MOVES_OF_SCORES or heading_of(user) is not None
        if user.op == "Add":  # a tail only where everything else that is added is constant
            harmless = all(self._fixed(name) for name in user.inputs if name not in {*self.unknown, *node.outputs})
            harmless = harmless and not self.unknown.intersection(user.inputs).difference(node.outputs)
        return "" if harmless else f"{refusal_of(node)}; its result is used by {user}"

    def _keep(self, node: Node, outputs: Sequence[Tensor | None], wanted: Collection[str]) -> None:
        self.steps += [Step(node, name, data, len(self.builder.sizes), True) for name, data in self.bare]
        self.bare.clear()
        for place, name in enumerate(node.outputs):
            value = outputs[place] if place < len(outputs) else None
            if value is None and name in wanted:
                known = stated_refusal(node)
                raise RefusedError(f"output {place} ('{name}') is not lowered" + (f": {known}" if known else ""))
            if not name or value is None:
                continue
            self._count(node, math.prod(value.shape))
            value = settled(value, self.known, self.builder.sizes) if isinstance(value, Data) else value
            self.values[name] = value
            if isinstance(value, (Constant, Data)) and name in wanted:
                self.steps.append(Step(node, name, value, len(self.builder.sizes), False, bool(self.place)))

    def _count(self, node: Node, size: int) -> None:
        self.limits.check_elements(str(node), size)
        self.spent.elements += size
        self.limits.check(str(node), "elements of all tensors", self.spent.elements, self.limits.total_elements,
                          "total_elements")  # fmt: skip

    def _inside(self, graph: Graph, values: Mapping[str, Tensor], place: str) -> list[Tensor]:
        """Lower a subgraph once; its tensors are seen by itself alone."""
        nodes, wanted = graph.ancestors(graph.outputs)
        self.spent.inner_nodes += len(nodes) + 1
        self.limits.check(place, "nodes of unrolled subgraphs", self.spent.inner_nodes, self.limits.unrolled_nodes,
                          "unrolled_nodes")  # fmt: skip
        inner = Lowering(
            self.builder, self.limits, {**values, **graph.constants}, self.steps, [], self.replaced, self.notes,
            spent=self.spent, known=self.known, place=f"{place}: ", doubts=self.doubts, deviations=self.deviations,
        )  # fmt: skip
        inner.run(nodes, wanted)
        if inner.refusals:
            raise RefusedInsideError(inner.refusals)
        if inner.exceeded is not None:
            raise inner.exceeded
        return [inner.values[name] for name in graph.outputs]

    def _refuse_origin(self, error: MisusedHeadError) -> None:
        name, op = error.origin[0]
        why = f"{refusal_of(Node(name, op, (), ()))}; its result is used by {error.user}"
        if all((item.node, item.op) != (name, op) for item in self.refusals):
            self.refusals.append(Refusal(name, op, why))

    def _evaluate(self, node: Node, inputs: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
        self.builder.label = f"{self.place}{node}"
        call = Call(
            node, inputs, self.builder, self.limits, self.replaced, self.notes, self.bare, self._inside, self.doubts,
            self.deviations,
        )  # fmt: skip
        head, fold, lower = heading_of(node), folding_of(node), lowering_of(node)
        beyond = outside(node) if head or fold or lower else ""
        if beyond:
            raise RefusedError(beyond)
        recorded = None if head is None else head(call)
        if recorded is not None:
            _doubt_operands(call, 1)
            return _listed(recorded)
        if any(isinstance(value, Above) for value in inputs):
            return self._moved_head(call)
        fixed = not any(isinstance(value, Data) for value in inputs)
        folded = fold(call) if fixed and fold is not None else None
        _doubt_operands(call, 1 if folded is None else 0)
        if folded is not None:
            return _listed(folded)
        if lower is None:
            raise RefusedError(refusal_of(node))
        first = inputs[0] if inputs else None
        if fixed and isinstance(first, Constant) and first.is_float and node.op not in MOVES:
            return self._fold_by_lowering(call, lower, first)
        return _listed(lower(call))

    def _moved_head(self, call: Call) -> Sequence[Tensor | None]:
        """Move the entries of a tail's tensor; anything else that uses it is refused by the tail's name."""
        first, op = call.inputs[0], call.node.op
        heads = [value for value in call.inputs if isinstance(value, Above)]
        origin = heads[0].origin
        lower = lowering_of(call.node)
        if lower is None or len(heads) > 1:
            raise MisusedHeadError(origin, call.node)
        if op in _SAME and isinstance(first, (Scores, Choice)):
            return [first]
        if op in _RESHAPES and isinstance(first, Choice):
            blank = Constant(np.zeros(first.shape, dtype=np.int64), "int64")
            moved = _listed(lower(replace(call, inputs=(blank, *call.inputs[1:]))))
            return [replace(first, shape=value.shape) for value in moved if value is not None]
        if op in _RESHAPES | _MOVES_OF_SCORES and isinstance(first, Scores):
            return _moved_scores(call, lower, first)
        raise MisusedHeadError(origin, call.node)

    def _fold_by_lowering(
        self, call: Call, lower: Callable[[Call], Outcome], first: Constant
    ) -> Sequence[Tensor | None]:
        """Evaluate arithmetic on constants exactly: lower the node with its first input as data, and run that once."""
        values = first.rationals()
        builder = Builder((Port("constant", first.shape, first.dtype),), self.limits, str(call.node))
        variable = builder.wrap(0, first.shape, first.dtype)
        outputs = _listed(lower(replace(call, inputs=(variable, *call.inputs[1:]), builder=builder)))
        return [_evaluated(call, builder, value, values) if isinstance(value, Data) else value for value in outputs]


def refuse_infinite(where: str, lowering: Lowering, data: Data) -> None:
    """Check the entries of an output.

    Raises:
        UnsupportedModelError: one is minus infinity, which only a maximum drops; names the node that put it there.
    """
    if not (data.index == NEVER_WINS).any():
        return
    moved = [(step.node, step.value) for step in lowering.steps if isinstance(step.value, Data)]
    placed = [node for node, value in moved if (value.index == NEVER_WINS).any()]
    why = "pads with minus infinity, which reaches the output outside of any maximum: no real number"
    raise UnsupportedModelError(where, [Refusal(node.name, node.op, why) for node in placed[:1]])


def _listed(outcome: Tensor | Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    return [outcome] if isinstance(outcome, Tensor) else outcome


def _moved_scores(call: Call, lower: Callable[[Call], Outcome], scores: Scores) -> Sequence[Tensor | None]:
    """Move the logits, and the numbers that say which of them compare, alike."""
    fibres = [tail.fibre for tail in scores.tails if tail.fibre is not None]
    parts = (scores.data, *(Data((0,), np.asarray(fibre), scores.data.dtype) for fibre in fibres))
    logits, *moved = (_listed(lower(replace(call, inputs=(part, *call.inputs[1:])))) for part in parts)
    found: list[Tensor | None] = []
    for place, logit in enumerate(logits):
        numbers = iter([numbered[place] for numbered in moved])
        tails = [tail if tail.fibre is None else _refibred(tail, next(numbers)) for tail in scores.tails]
        found.append(replace(scores, data=logit, tails=tuple(tails)) if isinstance(logit, Data) else None)
    return found


def _refibred(tail: Tail, numbers: Tensor | None) -> Tail:
    return replace(tail, fibre=numbers.index) if isinstance(numbers, Data) else tail


# How the order of a tail's scores can be followed.
_SAME = frozenset({"Identity"})
_RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_MOVES_OF_SCORES = frozenset({"Transpose", "Slice", "Split", "Gather"})


def hopeless(node: Node, depends: Sequence[bool]) -> str:
    """Say why a node is refused whatever its operands' values are; empty where that cannot be said."""
    if heading_of(node) is None and lowering_of(node) is None and folding_of(node) is None:
        return refusal_of(node)
    if lowering_of(node) is None and heading_of(node) is None and any(depends):
        return refusal_of(node)
    if outside(node):
        return outside(node)
    if node.op in _PRODUCTS and depends[:2] == [True, True]:
        return "product of two data tensors"
    return "division by data" if node.op == "Div" and depends[1:2] == [True] else ""


CURVED_HEADS = frozenset({"Sigmoid", "Tanh", "Exp", "Log", "Softplus", "Softmax", "LogSoftmax"})
_SHAPE_ONLY = frozenset({"Shape", "Size"})
_PRODUCTS = frozenset({"Mul", "MatMul", "Gemm", "Conv"})

# Operators that treat constants and data alike, by moving entries: nothing is computed.
MOVES = frozenset(
    {
        "Identity", "Dropout", "Cast", "CastLike", "Shape", "Size", "Reshape", "Flatten", "Transpose", "Squeeze",
        "Unsqueeze", "Expand", "Tile", "Concat", "Split", "Slice", "Gather", "GatherElements", "GatherND", "Pad",
        "Where", "DepthToSpace", "SpaceToDepth", "Trilu", "ReverseSequence", "Compress", "CenterCropPad",
        "If", "Loop", "Scan", "SequenceConstruct", "SplitToSequence", "SequenceMap",
        "Optional", "OptionalHasElement", "OptionalGetElement",
    }
)  # fmt: skip


# Operators that carry what the runtime's constants are off into a bound of their result, or settle their steps by it.
_CARRIERS = MOVES | {
    "Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min", "Clip", "PRelu", "MatMul", "Gemm", "Conv", "ConvTranspose",
    "Einsum", "BatchNormalization", "RNN", "RotaryEmbedding", "NegativeLogLikelihoodLoss", "DequantizeLinear", "SwiGLU",
    "GridSample", "Scatter", "ScatterElements", "ScatterND", "Sqrt", "Reciprocal", "Exp", "Sigmoid", "Tanh", "Swish",
    "Range", "Floor", "Ceil", "Round", "Sign", "NonZero", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
}  # fmt: skip


def _doubt_operands(call: Call, first: int) -> None:
    """Doubt every operator without a bound of its own that reads a constant which the runtime computes with an error.

    Args:
        first: the operand to begin with: what is lowered as data carries its error.
    """
    if call.node.domain == "" and call.node.op in _CARRIERS:
        return
    for place, value in enumerate(call.inputs[first:], first):
        if isinstance(value, Constant) and value.error is not None and value.error.any():
            call.doubt(f"operand {place} is a constant that the runtime computes with an error")


def _evaluated(call: Call, builder: Builder, output: Data, values: Rationals) -> Constant:
    """Return the exact value of a tensor of a small program at one point, with a bound of the runtime's error."""
    source = call.constant(0, "the operand")
    position = builder.fresh(output)
    program = builder.program(Port("folded", output.shape, output.dtype), Head())
    column = values.reshape(-1, 1)
    result = trace(program, column)[position].reshape(*output.shape).reduced()
    point = column.to_float()
    spread = np.abs(point) * 2.0**-50 + (0.0 if source.error is None else source.error.reshape(-1, 1))
    arithmetic = ARITHMETIC.get(output.dtype, enclosed.FLOAT32)
    found = enclosed.enclose(program, point, arithmetic, builder.roundings, spread)[position]
    error = 2 * found.radius.reshape(output.shape)  # both the exact value and the runtime's lie within the radius
    once = call.node.op in _ROUNDED_ONCE and not any(
        isinstance(value, Constant) and value.error is not None and value.error.any() for value in call.inputs
    )
    return Constant(result, output.dtype, np.where(held(result, output.dtype), 0.0, error) if once else error)


# IEEE 754: each of these rounds its exact result once, so that operands without an error give a number of the format
# exactly where the result is one.
_ROUNDED_ONCE = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Relu", "Max", "Min", "Clip"})
