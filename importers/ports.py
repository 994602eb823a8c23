"""Fixes the shape of every input: open dimensions get a size or an error that says how to give one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exactbox.importers.graph import Graph, GraphInput
from exactbox.importers.values import FLOAT_TYPES, INTEGER_TYPES, NARROW_TYPES
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port
from exactbox.polytope.wording import spelled


def input_ports(
    where: str, graph: Graph, used: Sequence[GraphInput], dims: Mapping[str, int]
) -> tuple[dict[str, Port], list[str]]:
    """Return a port for each used input, and notes on what was assumed; a leading open dimension becomes 1.

    Raises:
        InputError: another dimension is open, a size is not positive, or ``dims`` names no open dimension.
    """
    named = {label(item, axis) for item in graph.inputs for axis in range(len(item.dims or ())) if is_open(item, axis)}
    for name, size in dims.items():
        if name not in named:
            known = f"open are: {', '.join(sorted(named))}" if named else "all dimensions have a size"
            raise InputError(f"{where}: no open dimension is named '{name}'; {known}")
        if size < 1:
            raise InputError(f"{where}: dimension '{name}': expected a positive number, got {size}")
    notes: list[str] = []
    return {item.name: _port(where, item, dims, notes) for item in used}, notes


def is_open(item: GraphInput, axis: int) -> bool:
    """Say whether a dimension has no declared size; 0 is what scikit-learn's exporter writes for that."""
    dim = item.dims[axis] if item.dims is not None else None
    return not isinstance(dim, int) or (dim == 0 and axis == 0)


def label(item: GraphInput, axis: int) -> str:
    """Return the name under which a dimension can be fixed: its own, or ``input.axis``."""
    dim = item.dims[axis] if item.dims is not None else None
    return dim if isinstance(dim, str) else f"{item.name}.{axis}"


def _port(where: str, item: GraphInput, dims: Mapping[str, int], notes: list[str]) -> Port:
    if item.dtype not in FLOAT_TYPES | INTEGER_TYPES | NARROW_TYPES:
        name = item.name
        hint = "; an input of numbers must stay variable beside it" if item.dtype == "string" else ""
        if item.dtype == "bool":
            hint = spelled(f"fix={{{name!r}: True}} or False", f"--fix {name}=True or --fix {name}=False")
            hint = f"; fix it with {hint}"
        raise InputError(f"{where}: input '{item.name}': expected numbers, got elements of type {item.dtype}{hint}")
    return Port(item.name, input_shape(where, item, dims, notes), item.dtype)


def input_shape(where: str, item: GraphInput, dims: Mapping[str, int], notes: list[str]) -> tuple[int, ...]:
    """Return an input's shape with open dimensions resolved; notes receive what was assumed.

    Raises:
        InputError: no shape is declared, or a dimension other than the first is open.
    """
    if item.dims is None:
        raise InputError(f"{where}: input '{item.name}': expected a declared shape, got none; export it with a shape")
    shape: list[int] = []
    for axis, dim in enumerate(item.dims):
        name = label(item, axis)
        if not is_open(item, axis) and isinstance(dim, int):
            shape.append(dim)
        elif name in dims:
            shape.append(dims[name])
        elif axis == 0:
            shape.append(1)
            notes.append(f"input '{item.name}': open leading dimension '{name}' fixed to 1")
        else:
            shown = [label(item, i) if is_open(item, i) else d for i, d in enumerate(item.dims)]
            raise InputError(
                f"{where}: input '{item.name}' of shape {shown}: expected a size for the open dimension '{name}'; "
                "fix it with " + spelled(f"dims={{{name!r}: SIZE}}", f"--dim {name}=value")
            )
    if 0 in shape:
        notes.append(f"input '{item.name}' of shape {shape} has no entries")
    return tuple(shape)
