"""An inventory in words and as plain data for JSON."""

from __future__ import annotations

from collections import Counter

from exactbox.documents import Document
from exactbox.importers.graph import GraphInput
from exactbox.importers.inventory import Inventory, NodeEntry
from exactbox.polytope.wording import counted
from exactbox.report import Block
from exactbox.rounding import exact_text

SHOWN = 12
"""Lines of one kind for people."""


def inventory_document(found: Inventory) -> Document:
    """Return an inventory as data that ``json.dumps`` accepts."""
    file, cost = found.file, found.cost
    return {
        "path": file.path,
        "sha256": file.sha256,
        "external": [{"name": name, "sha256": sha256} for name, sha256 in file.external],
        "ir_version": file.ir_version,
        "opsets": {name or "ai.onnx": version for name, version in file.opsets},
        "inputs": [{"name": i.name, "dtype": i.dtype, "shape": shape(i)} for i in found.graph.inputs],
        "outputs": [{"name": name, "dtype": dtype} for name, dtype in found.graph.outputs.items()],
        "explained": {"output": found.output, "logits": None if found.logits is None else list(found.logits),
                      "head": list(found.head)},
        "status": found.status,
        "reason": found.reason or None,
        "refusals": [{"node": r.node, "op": r.op, "why": r.why} for r in found.refusals],
        "operators": operators(found),
        "nodes": [_node(entry) for entry in found.nodes],
        "layers": [_node(entry) for entry in found.layers],
        "parameters": found.parameters,
        "constants": dict(found.constants),
        "replaced_constants": [{"node": c.node, "expression": c.expression, "radicand": exact_text(c.radicand),
                                "value": exact_text(c.value)} for c in found.replaced],
        "cost": None if cost is None else {**vars(cost), "row_entries": cost.rows * cost.inputs},
        "notes": list(found.notes),
    }  # fmt: skip


def operators(found: Inventory) -> list[Document]:
    """Return one entry an operator, the most frequent first, with how many of its nodes are of which class."""
    kinds: dict[tuple[str, str], Counter[str]] = {}
    for entry in found.nodes:
        kinds.setdefault((entry.domain, entry.op), Counter())[entry.kind] += 1
    ordered = sorted(kinds.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        {"op": op, "domain": domain or "ai.onnx", "count": count.total(), "classes": dict(sorted(count.items()))}
        for (domain, op), count in ordered
    ]


def inventory_blocks(found: Inventory, *, brief: bool = False) -> list[Block]:
    """Return an inventory for people as (label, lines).

    Args:
        brief: leave the single nodes out.
    """
    file = found.file
    opsets = ", ".join(f"{name or 'ai.onnx'} {version}" for name, version in file.opsets)
    listed: list[Block] = [
        ("model", [file.path, f"sha256 {file.sha256}", f"IR {file.ir_version}, opset {opsets}",
                   counted(len(found.nodes), 'node')]),
        ("inputs", [f"{i.name}: {i.dtype} {shape(i)}" for i in found.graph.inputs]),
        ("output", [_output(found)]),
        ("operators", [_operator(one) for one in operators(found)]),
        ("units", _units(found)),
        ("constants", _constants(found)),
        ("cost", _cost(found)),
    ]
    if found.refusals:
        listed.append(("refused", _cut([f"- {refusal}" for refusal in found.refusals])))
    if not brief:
        listed.append(("notes", list(found.notes)))
    hidden = {"operators", "units", "inputs"} if brief else set[str]()
    return [(label, lines) for label, lines in listed if lines and label not in hidden]


def shape(item: GraphInput) -> list[int | str | None] | None:
    """Return a declared shape; an open dimension is its name, or None."""
    return None if item.dims is None else list(item.dims)


def _node(entry: NodeEntry) -> Document:
    return {"name": entry.name, "op": entry.op, "domain": entry.domain or "ai.onnx", "class": entry.kind,
            "shape": None if entry.shape is None else list(entry.shape), "units": entry.units, "widest": entry.widest,
            "why": entry.why or None}  # fmt: skip


def _output(found: Inventory) -> str:
    if found.status != "lowered":
        return f"{found.output}: {found.status}: {found.reason}"
    head = f" under {', '.join(found.head)}" if found.head else ""
    others = [name for name in found.graph.outputs if name != found.output]
    rest = f"; not explained: {', '.join(others)}" if others else ""
    return f"{found.output}: logits of shape {list(found.logits or ())}{head}{rest}"


def _operator(one: Document) -> str:
    domain = "" if one["domain"] == "ai.onnx" else f" ({one['domain']})"
    several = len(one["classes"]) > 1
    classes = ", ".join(f"{count} {kind}" if several else kind for kind, count in one["classes"].items())
    return f"{one['count']} {one['op']}{domain}: {classes}"


def _units(found: Inventory) -> list[str]:
    return _cut([
        f"{entry.op} '{entry.name}': {counted(entry.units, 'maximum', 'maxima')} of up to "
        f"{counted(entry.widest, 'candidate')}"
        for entry in found.layers
    ])  # fmt: skip


def _constants(found: Inventory) -> list[str]:
    kinds = ", ".join(f"{count} {dtype}" for dtype, count in found.constants.items())
    lines = [f"{counted(found.parameters, 'float number')} in {kinds or 'no'} tensors"]
    if found.replaced:
        first = found.replaced[0]
        lines.append(
            f"{counted(len(found.replaced), 'irrational constant')}, each enclosed and replaced by a rational of "
            "80 significant "
            f"bits, such as {first.expression} in {first.node}"
        )
    return lines


def _cost(found: Inventory) -> list[str]:
    cost = found.cost
    if cost is None:
        return []
    fused = "" if cost.fused else " (by nodes, not fused)"
    return [
        f"one exact forward pass: {counted(cost.multiply_adds, 'multiply-add')} over vectors of "
        f"{counted(cost.entries, 'entry', 'entries')}",
        f"one region: {counted(cost.units, 'unit')}{fused} {'gives' if cost.units == 1 else 'give'} "
        f"{counted(cost.rows, 'row')} over "
        f"{counted(cost.inputs, 'input')}, "
        f"{counted(cost.rows * cost.inputs, 'number')} before redundant rows are dropped",
    ]


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more (--json lists all)"]
