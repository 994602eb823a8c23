"""What the checker refuses for its size is refused when it is written, section 8 of FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exactbox.polytope.errors import BudgetError
from exactbox.polytope.program import Instruction, MatMul, Program, Scale, Shift, sources
from exactbox.polytope.rational import Rationals
from exactbox.verify import check

CERTIFICATE = "the certificate"
PROGRAM = "the program file"


def within(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Hand on the pieces of a file as long as the checker reads it.

    Raises:
        BudgetError: it is too long.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > check.MAX_BYTES:
            less = "; state less: one --target, --no-minimal or --no-distances" if what == CERTIFICATE else ""
            raise BudgetError(f"{what} has more than the {check.MAX_BYTES} bytes that its checker reads{less}")
        yield piece


def refuse_long_line(size: int) -> None:
    """Refuse a line of a compressed certificate that the checker does not read.

    Raises:
        BudgetError: it is too long.
    """
    if size > check.MAX_LINE:
        raise BudgetError(f"a line of the certificate has {size} bytes, and its checker reads at most {check.MAX_LINE}")


def refuse_large_vectors(program: Program) -> None:
    """Refuse a program whose vectors, as integers over their common denominators, the checker does not hold.

    Raises:
        BudgetError: an instruction makes too many numbers, or too many bits.
    """
    bits: list[int] = []  # of the common denominator, at least
    for i, (step, size) in enumerate(zip(program.instructions, program.sizes, strict=True)):
        constants = _constants(step)
        own = 0 if constants is None else constants.reduced().den.bit_length() - 1
        below = max((bits[src] for src in sources(step)), default=0)
        bits.append(max(below, own) if isinstance(step, Shift) else below + own)
        if size > check.MAX_SIZE or bits[-1] > check.MAX_BITS or size * bits[-1] > check.MAX_VECTOR_BITS:
            raise BudgetError(
                f"instruction {i} makes {size} numbers over a denominator of {bits[-1]} bits; the checker of "
                f"certificates takes {check.MAX_SIZE} numbers and {check.MAX_VECTOR_BITS} bits in a vector at most"
            )


def _constants(step: Instruction) -> Rationals | None:
    if isinstance(step, MatMul):
        return step.weight
    if isinstance(step, Scale):
        return step.factor
    return step.offset if isinstance(step, Shift) else None
