"""The canonical text of a program: one text for each program, its SHA-256, and the way back.

``verify/FORMAT.md`` specifies the text. Provenance is no part of it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np

from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.program import (
    NO_CANDIDATE,
    Add,
    Gather,
    Head,
    HeadStep,
    IndexArray,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Replaced,
    Rule,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals, int_array

Name = TypeVar("Name")

PROGRAM_FORMAT = "exactbox-program-2"
MAX_DIGITS = 8192
"""The largest number of hexadecimal digits of a numerator or denominator."""

_RATIONAL = re.compile(r"(0|-?[1-9a-f][0-9a-f]*)(?:/([1-9a-f][0-9a-f]*))?")
_RULES: tuple[Rule, ...] = ("argmax", "argmin", "sign", "none")
_TIES: tuple[Literal["first", "last"], ...] = ("first", "last")
_HOLDS = ("all", "part")
_hashes: WeakKeyDictionary[Program, str] = WeakKeyDictionary()


def program_text(program: Program) -> str:
    """Return the canonical text of a program: JSON in ASCII, fixed keys in a fixed order, ending in one newline.

    Raises:
        BudgetError: a constant has more than ``MAX_DIGITS`` digits.
    """
    return "".join(program_pieces(program))


def program_pieces(program: Program) -> Iterator[str]:
    """Yield the canonical text in pieces, an instruction at a time.

    Raises:
        BudgetError: a constant has more than ``MAX_DIGITS`` digits.
    """
    content = {
        "format": PROGRAM_FORMAT,
        "inputs": [{"name": p.name, "shape": list(p.shape), "dtype": p.dtype} for p in program.inputs],
        "output": {"name": program.output.name, "shape": list(program.output.shape)},
        "head": _write_head(program.head),
        "replaced": [
            {"node": r.node, "formula": r.formula, "count": r.count, "bits": r.bits} for r in program.replaced
        ],
        "instructions": [],
    }
    start, end = json.dumps(content, separators=(",", ":")).rsplit("[]", 1)
    yield start + "["
    for position, instruction in enumerate(program.instructions):
        yield "," * (position > 0) + json.dumps(_write(instruction), separators=(",", ":"))
    yield "]" + end + "\n"


def program_hash(program: Program) -> str:
    """Return the SHA-256 of the canonical text, in hexadecimal; it is remembered for each program object."""
    if program not in _hashes:
        found = hashlib.sha256()
        for piece in program_pieces(program):
            found.update(piece.encode("ascii"))
        _hashes[program] = found.hexdigest()
    return _hashes[program]


def parse_program(text: str) -> Program:
    """Read a program's canonical text.

    Raises:
        InputError: the text is not the canonical text of a program.
    """
    try:
        program = _read_program(json.loads(text, parse_float=_refuse, parse_constant=_refuse))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"program file: not in the format {PROGRAM_FORMAT}: {error}") from None
    if program_text(program) != text:
        raise InputError("program file: not the canonical text of its program")
    return program


def hex_text(value: Fraction) -> str:
    """Write one rational as the formats do.

    >>> hex_text(Fraction(-26, 1024)), hex_text(Fraction(10)), hex_text(Fraction(0))
    ('-d/200', 'a', '0')
    """
    return f"{value.numerator:x}" if value.denominator == 1 else f"{value.numerator:x}/{value.denominator:x}"


def hex_texts(values: Rationals) -> list[str]:
    """Write all entries, flattened in C order, as reduced hexadecimal fractions.

    Raises:
        BudgetError: an entry has more than ``MAX_DIGITS`` digits.

    >>> from exactbox.polytope.rational import exact
    >>> hex_texts(exact(["0", "-0.5", "26", "5/3"]))
    ['0', '-1/2', '1a', '5/3']
    """
    den, gcd = values.den, math.gcd
    nums = values.num.ravel().tolist()
    factors = [gcd(num, den) for num in nums]
    tails = {factor: "" if factor == den else f"/{den // factor:x}" for factor in set(factors)}
    texts = [f"{num // factor:x}{tails[factor]}" for num, factor in zip(nums, factors, strict=True)]
    if max(map(len, texts), default=0) > MAX_DIGITS:
        _check_digits(texts)
    return texts


def parse_rationals(texts: Sequence[str], shape: Sequence[int] | None = None) -> Rationals:
    """Read reduced hexadecimal fractions over their least common denominator; shape (n,) unless given.

    Raises:
        InputError: a text is not in the one form that ``hex_texts`` writes.

    >>> parse_rationals(["-1/2", "5/3"]).den
    6
    """
    matches = [_RATIONAL.fullmatch(text) for text in texts]
    if None in matches:
        raise InputError(f"expected a reduced hexadecimal fraction, got {texts[matches.index(None)][:40]!r}")
    pairs = [cast("re.Match[str]", match).groups() for match in matches]
    tops = [int(top, 16) for top, _ in pairs]
    bottoms = [1 if bottom is None else int(bottom, 16) for _, bottom in pairs]
    den = math.lcm(1, *set(bottoms))
    result = Rationals(int_array(top * (den // bottom) for top, bottom in zip(tops, bottoms, strict=True)), den)
    if hex_texts(result) != list(texts):
        raise InputError("expected fractions in lowest terms")
    return result if shape is None else result.reshape(*shape)


def _refuse(text: str) -> None:
    raise InputError(f"program file: expected integers and strings, got {text[:20]}")


def _integer(value: object) -> int:
    if type(value) is not int:
        raise InputError(f"program file: expected an integer, got {value!r}")
    return value


def _strings(values: Sequence[object]) -> tuple[str, ...]:
    if not all(type(value) is str for value in values):
        raise InputError(f"program file: expected strings, got {list(values)!r}")
    return cast("tuple[str, ...]", tuple(values))


def _one_of(value: object, allowed: Sequence[Name]) -> Name:
    found = [name for name in allowed if name == value]
    if not found:
        raise InputError(f"program file: expected one of {', '.join(map(str, allowed))}, got {value!r}")
    return found[0]


def _port(name: object, shape: Sequence[object], dtype: object = "float32") -> Port:
    texts = _strings([name, dtype])
    return Port(texts[0], tuple(map(_integer, shape)), texts[1])


def _check_digits(texts: Iterable[str]) -> None:
    for position, text in enumerate(texts):
        digits = max(len(part) for part in text.lstrip("-").split("/"))
        if digits > MAX_DIGITS:
            raise BudgetError(f"entry {position} has {digits} hexadecimal digits, the format allows {MAX_DIGITS}")


def _write(instruction: Instruction) -> dict[str, Any]:
    match instruction:
        case Input(size):
            return {"op": "input", "size": size}
        case Gather(srcs, index):
            return {"op": "gather", "srcs": list(srcs), "index": index.tolist()}
        case MatMul(src, weight, rows):
            shape = list(weight.shape)
            return {"op": "matmul", "src": src, "rows": rows, "shape": shape, "weight": hex_texts(weight)}
        case Scale(src, factor):
            return {"op": "scale", "src": src, "by": hex_texts(factor)}
        case Shift(src, offset):
            return {"op": "shift", "src": src, "by": hex_texts(offset)}
        case Add(left, right):
            return {"op": "add", "left": left, "right": right}
        case Max(src, groups):
            return {"op": "max", "src": src, "groups": _ragged(groups)}


def _write_head(head: Head) -> dict[str, Any]:
    steps = [
        {"op": step.op, "domain": step.domain, "version": step.version, "settings": list(step.settings),
         "over": None if step.over is None else list(step.over)}
        for step in head.steps
    ]  # fmt: skip
    return {
        "steps": steps,
        "rule": head.rule,
        "tie": head.tie,
        "labels": list(head.labels),
        "output": {
            "shape": None if head.shape is None else list(head.shape),
            "dtype": head.dtype,
            "moved": head.moved,
            "holds": "part" if head.partial else "all",
        },
    }


def _ragged(groups: IndexArray) -> list[list[int]]:
    """Drop the padding of the shorter groups."""
    rows: list[list[int]] = groups.tolist()
    if not (groups == NO_CANDIDATE).any():
        return rows
    return [[j for j in row if j != NO_CANDIDATE] for row in rows]


def _padded(rows: Sequence[Sequence[int]]) -> IndexArray:
    width = max(map(len, rows), default=1)
    return np.array([[*row, *[NO_CANDIDATE] * (width - len(row))] for row in rows], dtype=np.int64).reshape(-1, width)


def _read_program(content: Mapping[str, Any]) -> Program:
    return Program(
        tuple(_port(p["name"], p["shape"], p["dtype"]) for p in content["inputs"]),
        tuple(_read(item) for item in content["instructions"]),
        _port(content["output"]["name"], content["output"]["shape"]),
        _read_head(content["head"]),
        replaced=tuple(_read_replaced(item) for item in content["replaced"]),
    )


def _read_head(head: Mapping[str, Any]) -> Head:
    output = head["output"]
    (dtype,) = _strings([output["dtype"]])
    return Head(
        tuple(_read_step(step) for step in head["steps"]),
        _one_of(head["rule"], _RULES),
        _one_of(head["tie"], _TIES),
        _strings(head["labels"]),
        _shape(output["shape"]),
        dtype,
        None if output["moved"] is None else _integer(output["moved"]),
        _one_of(output["holds"], _HOLDS) == "part",
    )


def _read_replaced(item: Mapping[str, Any]) -> Replaced:
    node, formula = _strings([item["node"], item["formula"]])
    return Replaced(node, formula, _integer(item["count"]), _integer(item["bits"]))


def _read_step(step: Mapping[str, Any]) -> HeadStep:
    op, domain = _strings([step["op"], step["domain"]])
    return HeadStep(op, domain, _integer(step["version"]), _strings(step["settings"]), _shape(step["over"]))


def _shape(values: Sequence[object] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(map(_integer, values))


def _read(item: Mapping[str, Any]) -> Instruction:
    match item["op"]:
        case "input":
            return Input(_integer(item["size"]))
        case "gather":
            return Gather(tuple(map(_integer, item["srcs"])), np.array(item["index"], dtype=np.int64))
        case "matmul":
            weight = parse_rationals(item["weight"], [_integer(size) for size in item["shape"]])
            return MatMul(_integer(item["src"]), weight, _integer(item["rows"]))
        case "scale":
            return Scale(_integer(item["src"]), parse_rationals(item["by"]))
        case "shift":
            return Shift(_integer(item["src"]), parse_rationals(item["by"]))
        case "add":
            return Add(_integer(item["left"]), _integer(item["right"]))
        case "max":
            return Max(_integer(item["src"]), _padded(item["groups"]))
        case other:
            raise InputError(f"program file: expected one of the seven instructions, got {other!r}")
