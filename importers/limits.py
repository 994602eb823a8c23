"""Caps that keep a hostile or careless file from exhausting memory; each can be raised by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from exactbox.polytope.errors import InputError, LimitError
from exactbox.polytope.wording import spelled

LimitName = Literal["file_bytes", "nodes", "tensor_elements", "total_elements", "unrolled_nodes"]


@dataclass(frozen=True)
class Limits:
    """What a model may cost before the import stops with a clear message; by default it stays below 2 GiB of memory.

    Args:
        file_bytes: size of the ONNX file together with its external data.
        nodes: number of nodes in the graph.
        tensor_elements: entries of one tensor or one program vector.
        total_elements: entries of all program vectors together, and of all tensors that the nodes make.
        unrolled_nodes: nodes of loop bodies, counted once a turn.
    """

    file_bytes: int = 2**31
    nodes: int = 400_000
    tensor_elements: int = 2**25
    total_elements: int = 2**25
    unrolled_nodes: int = 40_000

    def check(self, where: str, what: str, found: int, cap: int, name: LimitName = "tensor_elements") -> None:
        """Raise ``LimitError`` where ``found`` exceeds ``cap``, which is the named limit or a part of it."""
        if found > cap:
            needed = getattr(self, name) * -(-found // max(cap, 1))
            raise LimitError(
                f"{where}: {what}: expected at most {cap}, got {found}; if the model is meant, raise the limit with "
                + spelled(f"limits=Limits({name}={needed})", f"--limit {name}={needed}")
            )

    def check_elements(self, where: str, found: int) -> None:
        """Raise ``LimitError`` for a tensor that is too large."""
        self.check(where, "tensor elements", found, self.tensor_elements)

    def raised(self, changes: Mapping[str, int]) -> Limits:
        """Return these limits with some replaced.

        Raises:
            InputError: no limit has such a name, or a value is no positive whole number.

        >>> Limits().raised({"nodes": 5}).nodes
        5
        """
        known = [item.name for item in fields(self)]
        for name, value in changes.items():
            if name not in known:
                raise InputError(f"limit {name!r}: no such limit; there are {', '.join(known)}")
            if value < 1:
                raise InputError(f"limit {name}: expected a positive whole number, got {value}")
        return replace(self, **dict(changes))


DEFAULT_LIMITS = Limits()
