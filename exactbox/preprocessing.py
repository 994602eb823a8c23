"""A stated preprocessing (x - mean) / std, composed exactly in front of a program."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.columns import places
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program, Provenance, Scale, Shift, with_sources
from exactbox.polytope.rational import Rationals, exact, from_fractions, parse_number
from exactbox.polytope.wording import counted
from exactbox.rounding import decimal_text, exact_text
from exactbox.sources import table_of


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What is done to raw values before the model: ``(x - mean) / std``, entry by entry.

    Args:
        mean: shape (d,), exact.
        std: shape (d,), exact and positive.
        mean_stated: the numbers as they were stated: one, one a channel, or one an entry.
        std_stated: the same for ``std``.
    """

    mean: Rationals
    std: Rationals
    mean_stated: tuple[Fraction, ...]
    std_stated: tuple[Fraction, ...]

    @property
    def text(self) -> str:
        """The map in words."""
        return f"(x - {_words(self.mean_stated)}) / {_words(self.std_stated)}"

    def __post_init__(self) -> None:
        if self.mean.shape != self.std.shape or len(self.mean.shape) != 1:
            raise InputError(f"preprocessing: mean {self.mean.shape} and std {self.std.shape} must both be vectors")
        if (self.std.signs() <= 0).any():
            bad = int(np.flatnonzero(self.std.signs() <= 0)[0])
            raise InputError(f"std: entry {bad} is {exact_text(self.std.item(bad), 20)}, expected a positive number")


def preprocessing(program: Program, mean: object | None, std: object | None) -> Preprocessing | None:
    """Read a mean and a standard deviation for a program's input; None where neither is given.

    Each is one number, one number a channel (axis 1 of an input of three or more axes), or one an entry: numbers, text
    such as "0.485,0.456,0.406" (decimals are exact), or a file.

    Raises:
        InputError: the counts fit nothing, or a deviation is not positive.
    """
    if mean is None and std is None:
        return None
    first, second = _stated("mean", mean, "0", program), _stated("std", std, "1", program)
    spread = (_spread("mean", first, program.inputs), _spread("std", second, program.inputs))
    return Preprocessing(*spread, tuple(first.fractions()), tuple(second.fractions()))


def in_front(program: Program, steps: Preprocessing) -> Program:
    """Return the program of raw inputs: the preprocessing, then the given program.

    >>> from exactbox.polytope.program import Input
    >>> plain = Program((Port("x", (1,)),), (Input(1),), Port("y", (1,)))
    >>> halved = in_front(plain, preprocessing(plain, None, "2"))
    >>> [type(step).__name__ for step in halved.instructions]
    ['Input', 'Shift', 'Scale']
    """
    inverse = from_fractions([1 / value for value in steps.std.fractions()])
    front = (program.instructions[0], Shift(0, -steps.mean), Scale(1, inverse))
    rest = tuple(with_sources(step, lambda src: src + 2) for step in program.instructions[1:])
    provenance = program.provenance
    if provenance:
        shape = provenance[0].shape
        provenance = (provenance[0], Provenance("mean", shape), Provenance("std", shape), *provenance[1:])
    return dataclasses.replace(program, instructions=(*front, *rest), provenance=provenance)


def _words(stated: tuple[Fraction, ...]) -> str:
    shown = ", ".join(_short(value) for value in stated[:4])
    return shown if len(stated) == 1 else f"[{shown}{', …' if len(stated) > 4 else ''}]"


def _short(value: Fraction) -> str:
    decimal = decimal_text(value, 9)
    return decimal if parse_number(decimal) == value else exact_text(value, 20)


def _stated(what: str, given: object, missing: str, program: Program) -> Rationals:
    """Read numbers; columns that are named after the inputs are put into the model's order."""
    if given is None:
        return exact([missing])
    try:
        table = table_of(given, "the numbers given", (what,))
        if table.columns and len(table.columns) == program.input_size:
            table = table.select(places(table.origin, table.columns, program))
        return table.exact().reshape(-1)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _spread(what: str, flat: Rationals, ports: tuple[Port, ...]) -> Rationals:
    total = sum(port.size for port in ports)
    port = ports[0]
    channels = port.shape[1] if len(ports) == 1 and len(port.shape) >= 3 and port.shape[0] == 1 else 0
    if flat.size == total:
        return flat
    if flat.size == 1:
        return flat[np.zeros(total, dtype=np.int64)]
    if channels and flat.size == channels:
        return flat[np.repeat(np.arange(channels), total // channels)]
    expected = ", ".join(str(count) for count in sorted({1, channels or 1, total}))
    raise InputError(f"{what}: got {counted(flat.size, 'number')}, expected as many as one of: {expected}")
