"""Which function gives which operator its exact meaning; decorators fill the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from exactbox.importers.call import Call
from exactbox.importers.graph import Node
from exactbox.importers.values import Constant, Tensor
from exactbox.polytope.errors import InternalError

Outcome = Tensor | Sequence[Tensor | None]
Lowering = Callable[[Call], Outcome]
Folding = Callable[[Call], Constant | Sequence[Constant] | None]

Heading = Callable[[Call], Tensor | Sequence[Tensor | None] | None]

ML = "ai.onnx.ml"

_T = TypeVar("_T")
_L = TypeVar("_L", bound=Lowering)

_LOWERINGS: dict[tuple[str, str], list[tuple[int, Lowering]]] = {}
_FOLDINGS: dict[tuple[str, str], list[tuple[int, Folding]]] = {}
_HEADINGS: dict[tuple[str, str], list[tuple[int, Heading]]] = {}
_REFUSALS: dict[tuple[str, str], str] = {}


def lowers(*ops: str, since: int = 1, domain: str = "") -> Callable[[_L], _L]:
    """Register the meaning of operators whose first input may depend on the model's input.

    Args:
        since: first opset version for which the function holds, up to the next registered one.
    """

    def register(function: _L) -> _L:
        for op in ops:
            entries = _LOWERINGS.setdefault((domain, op), [])
            _check_free(op, since, entries)
            entries.append((since, function))
        return function

    return register


def folds(*ops: str, since: int = 1, domain: str = "") -> Callable[[Folding], Folding]:
    """Register how operators are evaluated where all inputs are constants; the function may return None to pass."""

    def register(function: Folding) -> Folding:
        for op in ops:
            entries = _FOLDINGS.setdefault((domain, op), [])
            _check_free(op, since, entries)
            entries.append((since, function))
        return function

    return register


def heads(*ops: str, since: int = 1, domain: str = "") -> Callable[[Heading], Heading]:
    """Register operators of monotone tails; the function returns None where the node is no part of a tail."""

    def register(function: Heading) -> Heading:
        for op in ops:
            entries = _HEADINGS.setdefault((domain, op), [])
            _check_free(op, since, entries)
            entries.append((since, function))
        return function

    return register


def refuses(*ops: str, why: str, domain: str = "") -> None:
    """Register why operators have no exact piecewise-linear meaning."""
    for op in ops:
        _REFUSALS[(domain, op)] = why


def lowering_of(node: Node) -> Lowering | None:
    """Return the function that lowers a node, or None."""
    return _latest(_LOWERINGS.get((node.domain, node.op), []), node.version)


def folding_of(node: Node) -> Folding | None:
    """Return the function that evaluates a node of constants, or None."""
    return _latest(_FOLDINGS.get((node.domain, node.op), []), node.version)


def heading_of(node: Node) -> Heading | None:
    """Return the function that records a node of a monotone tail, or None."""
    return _latest(_HEADINGS.get((node.domain, node.op), []), node.version)


def refusal_of(node: Node) -> str:
    """Say why a node without a lowering is refused."""
    known = stated_refusal(node)
    if known:
        return known
    if node.domain not in ("", ML):
        return f"operators of the domain '{node.domain}' are not known"
    return "not an operator that exactbox can lower exactly"


def stated_refusal(node: Node) -> str:
    """Return the reason that was registered for an operator, or nothing."""
    return _REFUSALS.get((node.domain, node.op), "")


def registered() -> frozenset[tuple[str, str]]:
    """Return the (domain, operator) pairs that have a meaning here."""
    return frozenset(_LOWERINGS) | frozenset(_FOLDINGS) | frozenset(_HEADINGS)


def _check_free(op: str, since: int, entries: Sequence[tuple[int, object]]) -> None:
    if any(version == since for version, _ in entries):
        raise InternalError(f"operator {op}: two functions are registered from version {since} on")


def _latest(entries: Sequence[tuple[int, _T]], version: int) -> _T | None:
    fitting = [entry for entry in entries if entry[0] <= version]
    return max(fitting, key=lambda entry: entry[0])[1] if fitting else None
