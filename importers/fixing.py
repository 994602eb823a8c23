"""Partial evaluation: inputs, or entries of them, that the user fixed are constants; the rest stays variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from exactbox.importers.builder import Builder
from exactbox.importers.graph import Graph, GraphInput, Node
from exactbox.importers.values import FLOAT_TYPES, AnyArray, Constant, Data, FloatArray, Tensor
from exactbox.polytope.errors import InputError, Refusal
from exactbox.polytope.program import Port, Provenance
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.wording import spelled

Entry = Fraction | str | bool


@dataclass(frozen=True)
class Fixed:
    """What is fixed of one graph input.

    Args:
        name: of the input.
        dtype: its element type.
        shape: with open dimensions resolved.
        entries: values by place (C order), exactly representable in the type.
        rounded: what was given, by place, where the type could not hold it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    entries: Mapping[int, Entry]
    rounded: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = int(np.prod(self.shape))
        if not self.entries or not all(0 <= place < size for place in self.entries):
            raise InputError(f"input '{self.name}': places {sorted(self.entries)} do not lie in shape {self.shape}")

    @property
    def whole(self) -> bool:
        """Whether no entry stays variable."""
        return len(self.entries) == int(np.prod(self.shape))

    def array(self) -> AnyArray:
        """Return a wholly fixed input as the runtime is fed with it."""
        values = [self.entries[place] for place in range(len(self.entries))]
        if self.dtype == "string":
            return np.array(values, dtype=object).reshape(self.shape)
        if self.dtype in FLOAT_TYPES:
            kind = np.dtype("float32" if self.dtype == "bfloat16" else self.dtype)
            return np.array([float(value) for value in values], dtype=kind).reshape(self.shape)
        return np.array([int(value) for value in values], dtype=np.dtype(self.dtype)).reshape(self.shape)

    def numbers(self) -> dict[int, Fraction]:
        """Return the entries as numbers, by place."""
        return {place: Fraction(value) for place, value in self.entries.items() if not isinstance(value, str)}


@dataclass(frozen=True, eq=False)
class Start:
    """What the graph's inputs are before the first node is lowered.

    Args:
        values: inputs that are constants, or entries of vectors.
        known: vectors whose entries are constants, by position.
        unknown: inputs of text that stay variable, which no program can hold.
        notes: what was fixed.
    """

    values: Mapping[str, Tensor]
    known: Mapping[int, Rationals] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def variable_inputs(
    where: str, used: Sequence[GraphInput], fixed: Mapping[str, Fixed]
) -> tuple[list[GraphInput], frozenset[str]]:
    """Return the inputs that a program reads, and the names of those that hold text and stay variable.

    Raises:
        InputError: nothing stays variable.
    """
    left = [item for item in used if not (item.name in fixed and fixed[item.name].whole)]
    texts = frozenset(item.name for item in left if item.dtype == "string")
    numbers = [item for item in left if item.name not in texts]
    if not numbers and fixed:
        raise InputError(f"{where}: every input of numbers is fixed; leave at least one variable")
    return numbers or left, texts if numbers else frozenset()


def start_values(
    builder: Builder, ports: Mapping[str, Port], fixed: Mapping[str, Fixed], texts: frozenset[str]
) -> Start:
    """Return each input as entries of vector 0, with fixed ones as constants."""
    values: dict[str, Tensor] = {}
    known: dict[int, Rationals] = {}
    start = 0
    for name, port in ports.items():
        index = np.arange(start, start + port.size, dtype=np.int64).reshape(port.shape)
        values[name] = Data((0,), index, port.dtype)
        start += port.size
    for name, item in fixed.items():
        if item.whole:
            values[name] = Constant(item.array(), item.dtype)
        elif name in ports:
            values[name] = _partly(builder, values[name], item, known)
    return Start(values, known, texts, tuple(note for item in fixed.values() for note in _notes(item)))


def _partly(builder: Builder, own: Tensor, item: Fixed, known: dict[int, Rationals]) -> Data:
    """Replace the fixed entries of an input by those of a vector of constants."""
    numbers = item.numbers()
    values = from_fractions(list(numbers.values()))
    constants = builder.constants(values, item.dtype)
    known[constants.srcs[0]] = values
    index = own.index.copy() if isinstance(own, Data) else constants.index
    flat = index.reshape(-1)
    flat[list(numbers)] = builder.sizes[0] + constants.index
    return Data((0, *constants.srcs), flat.reshape(item.shape), item.dtype)


def _notes(item: Fixed) -> list[str]:
    found: list[str] = []
    for place, value in sorted(item.entries.items()):
        name = item.name if item.whole and len(item.entries) == 1 else entry_name(item, place)
        given = f"{item.rounded[place]}, rounded to {item.dtype}: " if place in item.rounded else ""
        found.append(f"input '{name}' fixed to {given}{_shown(value)}")
    return found


def entry_name(item: Fixed | Port, place: int) -> str:
    """Name one entry of an input as a program does: ``X[2]``, without a leading axis of length 1."""
    return Provenance(item.name, item.shape).unit(place)


def _shown(value: Entry) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def settled(value: Data, known: Mapping[int, Rationals], sizes: Sequence[int]) -> Tensor:
    """Return a tensor as a constant where every entry is one; else as it is."""
    if not known or not set(value.srcs).intersection(known):
        return value
    ends = np.cumsum([0, *(sizes[src] for src in value.srcs)])
    flat = value.index.ravel().tolist()
    found: list[Fraction] = []
    for entry in flat:
        which = int(np.searchsorted(ends, entry, side="right")) - 1
        if entry < 0 or value.srcs[which] not in known:
            return value
        found.append(known[value.srcs[which]].item(entry - int(ends[which])))
    return Constant(from_fractions(found, value.shape), value.dtype)


def pins(ports: Sequence[Port], fixed: Mapping[str, Fixed]) -> tuple[tuple[int, Fraction], ...]:
    """Return the program's input coordinates that are fixed, and their values."""
    found: list[tuple[int, Fraction]] = []
    start = 0
    for port in ports:
        item = fixed.get(port.name)
        found += [] if item is None else [(start + place, value) for place, value in sorted(item.numbers().items())]
        start += port.size
    return tuple(found)


def pinned(points: FloatArray, places: Iterable[tuple[int, Fraction]]) -> FloatArray:
    """Return points (d, b) with fixed coordinates at their values."""
    out = points.copy()
    for place, value in places:
        out[place] = float(value)
    return out


def fixed_feeds(fixed: Mapping[str, Fixed], batch: int = 1) -> dict[str, AnyArray]:
    """Return the wholly fixed inputs as the runtime is fed with them; a batch repeats the first axis."""
    found = {name: item.array() for name, item in fixed.items() if item.whole}
    return found if batch == 1 else {name: np.repeat(array, batch, axis=0) for name, array in found.items()}


ENCODERS = frozenset({"OneHotEncoder", "LabelEncoder", "CategoryMapper", "DictVectorizer", "StringNormalizer"})


def with_hints(graph: Graph, refusals: Sequence[Refusal]) -> list[Refusal]:
    """Say which columns an encoder reads, and how to fix them."""
    by_name: dict[tuple[str, str], Node] = {(node.name, node.op): node for node in graph.nodes}
    return [_hinted(graph, by_name.get((item.node, item.op)), item) for item in refusals]


def _hinted(graph: Graph, node: Node | None, item: Refusal) -> Refusal:
    if node is None or node.op not in ENCODERS:
        return item
    read = graph.ancestors(node.inputs)[1]
    columns = [given for given in graph.inputs if given.name in read]
    names = [_column(given) for given in columns[:3]] or ["COLUMN"]
    pairs = ", ".join(f"{name!r}: VALUE" for name in names)
    shown = spelled(f"fix={{{pairs}}}", " ".join(f"--fix {name}=VALUE" for name in names))
    return Refusal(item.node, item.op, f"{item.why}; fix the column: {shown}")


def _column(given: GraphInput) -> str:
    """Name a column as it is fixed: an input of one entry a sample by its name."""
    dims = given.dims or ()
    return given.name if all(dim == 1 for dim in dims[1:]) else f"{given.name}[{','.join('I' * (len(dims) - 1))}]"
