"""Caps that keep a hostile or careless file from exhausting memory; each can be raised by the caller."""

from __future__ import annotations

from dataclasses import dataclass

from exactbox.polytope.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What a model may cost before the import stops with a clear message.

    Args:
        file_bytes: size of the ONNX file together with its external data.
        nodes: number of nodes in the graph.
        tensor_elements: entries of one tensor or one program vector.
        total_elements: entries of all program vectors together, and of all tensors that the nodes make.
        unrolled_nodes: nodes of loop bodies, counted once a turn.
    """

    file_bytes: int = 2**31
    nodes: int = 100_000
    tensor_elements: int = 2**25
    total_elements: int = 2**28
    unrolled_nodes: int = 20_000

    def check(self, where: str, what: str, found: int, cap: int) -> None:
        """Raise ``InputError`` where ``found`` exceeds ``cap``."""
        if found > cap:
            raise InputError(f"{where}: {what}: expected at most {cap}, got {found}; raise the limit to import it")

    def check_elements(self, where: str, found: int) -> None:
        """Raise ``InputError`` for a tensor that is too large."""
        self.check(where, "tensor elements", found, self.tensor_elements)


DEFAULT_LIMITS = Limits()
