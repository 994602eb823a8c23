"""The trusted base: decides whether a certificate proves its statement about a program file.

The standard library, integers only, as FORMAT.md specifies. This file reads; check_<kind>.py, beside it, checks a kind.
Usage: python check.py CERTIFICATE [PROGRAM]; exit code 0 accepted, 1 rejected, 3 malformed, 5 a file is missing here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import os
import re
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise
from operator import add, mul
from types import ModuleType
from typing import Any, NamedTuple, cast

MAX_BYTES = 1 << 28  # of a file
MAX_TEXT = 1 << 36  # of the text of a compressed one
MAX_LINE = 1 << 24  # of a line of it
MAX_SIZE = 1 << 24  # entries of a vector
MAX_BITS = 1 << 20  # of one number
MAX_VECTOR_BITS = 1 << 33  # of all numbers of a vector

Vector = tuple[list[int], int]  # numerators, and their common denominator
Sparse = dict[int, int]  # the nonzero entries by index
Winners = dict[int, list[int]]  # by max: for each group the index of the winner in its source

RATIONAL = re.compile("(0|-?[1-9a-f][0-9a-f]{0,8191})(?:/([2-9a-f]|[1-9a-f][0-9a-f]{1,8191}))?")
INTEGER = re.compile("0|-?[1-9][0-9]{0,8}")
KIND = re.compile("[a-z]{1,32}")
FILE_NAME = re.compile("[0-9A-Za-z_-][0-9A-Za-z._-]{0,199}")
FORMAT = "exactbox-certificate-2"
CERTIFICATE = ("format", "kind", "program", "info", "statement", "evidence")
SHIPPED = ("domain", "region", "given", "facets", "distances", "enumeration", "omitted")  # check_*.py of this version
VERDICTS = {1: "rejected", 3: "malformed", 5: "nothing was checked, as the checker is incomplete"}
INSTRUCTIONS = {
    "input": ("size",), "gather": ("srcs", "index"), "matmul": ("src", "rows", "shape", "weight"),
    "scale": ("src", "by"), "shift": ("src", "by"), "add": ("left", "right"), "max": ("src", "groups"),
}  # fmt: skip


class Rejected(Exception):
    """Nothing is proved: the evidence does not suffice (``code`` 1), a file is not in the format (3), or
    the checker lacks one of its own (5)."""

    def __init__(self, message: str, code: int = 1, verdict: str = "") -> None:
        super().__init__(message)
        self.code, self.verdict = code, verdict or VERDICTS[code]


class Report(NamedTuple):
    """What was proved: hashes of the program and of the statement, the statement in words; and the unproved info."""

    program_sha256: str
    statement_sha256: str
    lines: tuple[str, ...]
    info: dict[str, Any]


class Budget(threading.local):
    """What is left for one check: products of small integers, and bytes."""

    work, memory = 1 << 25, 1 << 29


BUDGET = Budget()


def allow(certificate: int, program: int) -> None:
    """Set what a check may cost by the sizes of its files in bytes: a row of the one may meet all of the other."""
    BUDGET.work = Budget.work + 16 * (certificate + program) + (certificate * program >> 13)
    BUDGET.memory = Budget.memory + 64 * (certificate + program)


def spend(count: int, bits: int = 0, other: int = 0) -> None:
    """Take ``count`` products of numbers of so many bits, before they are computed, from what is left."""
    BUDGET.work -= count * (1 + ((bits + 64) * (other + 64) >> 16))
    if BUDGET.work < 0:
        raise Rejected("checking it takes more work than the sizes of its files justify", 3, "refused")


def hold(count: int, bits: int = 0, keep: bool = True) -> None:
    """Take the memory of ``count`` numbers of so many bits, before they are made; or only see that it is there."""
    left = BUDGET.memory - count * (48 + (bits >> 3))
    if left < 0:
        raise Rejected("checking it takes more memory than the sizes of its files justify", 3, "refused")
    BUDGET.memory = left if keep else BUDGET.memory


def need(condition: object, message: str, code: int = 1) -> None:
    """Reject the certificate unless the condition holds."""
    if not condition:
        raise Rejected(message, code)


form = partial(need, code=3)  # what the format asks for, whatever the evidence


def read_json(data: bytes, what: str) -> Any:
    """Parse strict JSON: no duplicate keys, no floats, integers of at most 9 digits."""
    form(len(data) <= MAX_BYTES, f"{what}: more than {MAX_BYTES} bytes")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_distinct, parse_int=_integer,
                          parse_float=_integer, parse_constant=_integer)  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{what}: no strict JSON: {error}", 3) from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    form(len(found) == len(pairs), "an object has a key twice")
    return found


def _integer(text: str) -> int:
    form(INTEGER.fullmatch(text), f"expected an integer of at most 9 digits, got {text[:20]}")
    return int(text)


def fields(value: Any, where: str, *names: str) -> list[Any]:
    """Return the values of an object that has exactly these keys."""
    form(type(value) is dict and value.keys() == set(names), f"{where}: expected an object of {', '.join(names)}")
    return [value[name] for name in names]


def array(value: Any, where: str, length: int | None = None) -> list[Any]:
    """Return a list, of the given length."""
    form(type(value) is list, f"{where}: expected a list")
    form(length is None or len(value) == length, f"{where}: expected {some(length or 0, 'entry')}, got {len(value)}")
    return cast("list[Any]", value)


def integers(value: Any, where: str, low: int, high: int, rising: bool = False) -> list[int]:
    """Return a list of integers i with low <= i < high."""
    items = array(value, where)
    form(set(map(type, items)) <= {int}, f"{where}: expected integers")
    form(not items or (low <= min(items) and max(items) < high), f"{where}: an integer is not in [{low}, {high})")
    form(not rising or all(map(int.__lt__, items, items[1:])), f"{where}: expected strictly increasing integers")
    return items


def strings(value: Any, where: str, *allowed: str) -> list[str]:
    """Return a list of strings, all of them among the allowed ones where these are given."""
    items = array(value, where)
    form(set(map(type, items)) <= {str}, f"{where}: expected strings")
    form(not allowed or set(items) <= set(allowed), f"{where}: expected one of {', '.join(allowed)}")
    return items


def vector(value: Any, where: str, length: int | None = None, keep: bool = True) -> Vector:
    """Return a list of rationals over their least common denominator; its memory is to be kept, or soon returned."""
    matches = [RATIONAL.fullmatch(text) if type(text) is str else None for text in array(value, where, length)]
    pairs = [(int(match[1], 16), int(match[2] or "1", 16)) for match in matches if match]
    form(len(pairs) == len(matches), f'{where}: expected rationals such as "-1a/400"')
    form(all(math.gcd(*pair) == 1 for pair in pairs), f"{where}: not in lowest terms")
    den, wide = common({bottom for _, bottom in pairs}, len(pairs), where), width(top for top, _ in pairs)
    hold(len(pairs), wide + den.bit_length(), keep)
    spend(4 * len(pairs), den.bit_length(), wide + width(bottom for _, bottom in pairs))
    return bounded([top * (den // bottom) for top, bottom in pairs], where), den


def common(dens: set[int], count: int, where: str) -> int:
    """Return the least common denominator of so many numbers."""
    total = 1
    for den in dens:
        spend(4, total.bit_length(), den.bit_length())
        total = math.lcm(total, den)
        wide = total.bit_length()
        form(wide <= MAX_BITS and count * wide <= MAX_VECTOR_BITS, f"{where}: the common denominator is too large")
        hold(count, wide, keep=False)
    return total


def width(nums: Iterable[int]) -> int:
    """Return the bits of the largest integer."""
    return max(map(int.bit_length, nums), default=0)


def bounded(nums: list[int], where: str) -> list[int]:
    """Return the integers unless they exceed the limits."""
    bits = width(nums)
    form(len(nums) <= MAX_SIZE and bits <= MAX_BITS and len(nums) * bits <= MAX_VECTOR_BITS, f"{where}: too large")
    return nums


class Step(NamedTuple):
    """One instruction. Its vector is an integer one over ``scale``, to which source k contributes ``factors[k]`` times
    its own integer vector; ``data`` holds the index, the groups, or the constants as integers."""

    op: str
    size: int
    srcs: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    scale: int = 1
    data: Any = None
    rows: int = 1
    bits: int = 0  # of the constants


class Program:
    """The network of a program file; with the winners of every max given, an affine one."""

    def __init__(self, data: bytes) -> None:
        content = read_json(data, "program")
        version = content.get("format") if type(content) is dict else None
        form(version != "exactbox-program-1", "program: exactbox-program-1, an older version of the format, which says "
             "neither how the head computes nor which constants were replaced: certify the model again")  # fmt: skip
        form(version == "exactbox-program-2", "program: another format")
        _, inputs, output, head, replaced, steps = fields(
            content, "program", "format", "inputs", "output", "head", "replaced", "instructions")  # fmt: skip
        self.steps: list[Step] = []
        for i, item in enumerate(array(steps, "instructions")):
            self.steps.append(self._step(item, f"instruction {i}"))
            form(self.steps[-1].scale.bit_length() <= MAX_BITS, f"instruction {i}: the denominator is too large")
        form(self.steps, "a program needs an instruction")
        ports = [fields(port, "inputs", "name", "shape", "dtype") for port in array(inputs, "inputs")]
        self.output, self.shape = fields(output, "output", "name", "shape")
        strings([self.output, *(text for name, _, dtype in ports for text in (name, dtype))], "names")
        shapes = [self.shape, *(dims for _, dims, _ in ports)]
        sizes = [math.prod(integers(dims, "shape", 0, MAX_SIZE)) for dims in shapes]
        form((sizes[0], sum(sizes[1:])) == (self.steps[-1].size, self.steps[0].size), "a shape does not fit")
        self.width = self.shape[-1] if self.shape else 1  # of a row of outputs
        self._read_head(*fields(head, "head", "steps", "rule", "tie", "labels", "output"))
        self.replaced = [fields(item, "replaced", "node", "formula", "count", "bits")
                         for item in array(replaced, "replaced")]  # fmt: skip
        for node, formula, *counts in self.replaced:
            strings([node, formula], "replaced")
            integers(counts, "replaced", 1, MAX_SIZE)

    def _read_head(self, steps: Any, rule: Any, tie: Any, labels: Any, output: Any) -> None:
        keys = ("op", "domain", "version", "settings", "over")
        self.head = [fields(step, "head", *keys) for step in array(steps, "head: steps")]
        for op, domain, version, settings, over in self.head:
            strings([op, domain, *strings(settings, "head: settings")], "head: names")
            integers([version, *([] if over is None else array(over, "head: over"))], "head: over", 0, MAX_SIZE)
        self.labels = strings(labels, "head: labels")
        (self.rule,) = strings([rule], "head: rule", "argmax", "argmin", "sign", "none")
        (self.tie,) = strings([tie], "head: tie", "first", "last")
        shape, dtype, self.moved, holds = fields(output, "head: output", "shape", "dtype", "moved", "holds")
        integers([*([] if shape is None else array(shape, "head: shape")), *([self.moved] * (self.moved is not None))],
                 "head: output", 0, MAX_SIZE)  # fmt: skip
        strings([dtype], "head: dtype")
        strings([holds], "head: holds", "all", "part")

    def in_words(self) -> Iterator[str]:
        """State what the outputs are: how they are numbered, what the model computes of them, what was replaced."""
        name = json.dumps(self.output)
        names = [json.dumps(" ".join([f"{op}-{version}", *settings])) for op, _, version, settings, _ in self.head]
        if names:
            yield f"outputs are the numbers under the head of {name}, no part of what is proved: {', '.join(names)}"
        if self.moved is not None:
            yield f"outputs are numbered in C order of {self.shape}: axis {self.moved} of {name} was moved last"
        for node, formula, count, bits in self.replaced:
            yield (f"the network is f~: a rational of {bits} bits stands for each irrational {json.dumps(formula)} of "
                   f"{json.dumps(node)}, {count} in all")  # fmt: skip

    def _step(self, item: Any, where: str) -> Step:
        op = strings([item.get("op") if type(item) is dict else None], where, *INSTRUCTIONS)[0]
        _, first, *more = fields(item, where, "op", *INSTRUCTIONS[op])
        form((op == "input") == (not self.steps), f"{where}: the input is instruction 0 and no other")
        if op == "input":
            return Step(op, integers([first], where, 1, MAX_SIZE)[0])
        sources = array(first, where) if op == "gather" else [first, more[0]] if op == "add" else [first]
        srcs = tuple(integers(sources, where, 0, len(self.steps)))
        form(srcs, f"{where}: expected a source")
        sizes = [self.steps[src].size for src in srcs]
        scale = common({self.steps[src].scale for src in set(srcs)}, 1, where)
        spend(len(srcs), scale.bit_length(), scale.bit_length() >> 1)
        factors = tuple(scale // self.steps[src].scale for src in srcs)
        if op == "gather":
            return Step(op, len(array(more[0], where)), srcs, factors, scale, integers(more[0], where, -1, sum(sizes)))
        if op == "add":
            form(sizes[0] == sizes[1], f"{where}: the vectors differ in size")
            return Step(op, sizes[0], srcs, factors, scale)
        if op == "max":
            groups = [integers(group, where, -1, sizes[0]) for group in array(more[0], where)]
            form(all(len(set(group)) == len(group) > 0 for group in groups), f"{where}: no candidate, or one twice")
            return Step(op, len(groups), srcs, factors, scale, groups)
        if op == "matmul":
            rows, g, m, k = integers([more[0], *array(more[1], where, 3)], where, 1, MAX_SIZE)
            form(g * rows * k == sizes[0] and g * rows * m <= MAX_SIZE, f"{where}: the shape does not fit")
            nums, den = vector(more[2], where, g * m * k)
            matrices = [[nums[j : j + k] for j in range(i, i + m * k, k)] for i in range(0, len(nums), m * k)]
            return Step(op, g * rows * m, srcs, (1,), scale * den, matrices, rows, width(nums))
        nums, den = vector(more[0], where, sizes[0])
        if op == "scale":
            return Step(op, sizes[0], srcs, (1,), scale * den, nums, bits=width(nums))
        total = math.lcm(scale, den)
        hold(len(nums), total.bit_length() + width(nums))
        nums = [v * (total // den) for v in nums]
        return Step(op, sizes[0], srcs, (total // scale,), total, nums, bits=width(nums))

    def forward(self, winners: Winners, point: Vector, runs: int, known: Any = (), end: Any = None) -> list[list[int]]:
        """Return the vectors before ``end`` at a point, times scale and the point's denominator (if 0, no shift).

        So many ``runs`` are kept at a time.
        """
        values, held = [*known] or [point[0]], sum(self.steps[i].size for i in range(len(known)))
        for i, step in enumerate(self.steps[len(values) : end], len(values)):
            data = cast(Any, winners.get(i, step.data))
            bits = max(width(values[src]) for src in set(step.srcs)) + width(step.factors)
            each = len(data[0][0]) if step.op == "matmul" else 1
            given = sum(self.steps[src].size for src in step.srcs)
            spend(step.size * each + given + 16, bits, step.bits)
            held += step.size * (1 + (bits + step.bits >> 8))
            hold(runs * held + given * (2 + (bits >> 8)), keep=False)
            parts = [[v * factor for v in values[src]] for src, factor in zip(step.srcs, step.factors, strict=True)]
            if step.op in ("gather", "max"):
                joined = [v for part in parts for v in part] + [0]
                nums = [joined[j] for j in data]  # -1 is the 0 at the end
            elif step.op == "matmul":
                blocks = [parts[0][j : j + each] for j in range(0, len(parts[0]), each)]
                nums = [sum(map(mul, line, block)) for k, block in enumerate(blocks) for line in data[k // step.rows]]
            elif step.op == "scale":
                nums = list(map(mul, parts[0], data))
            else:
                other = parts[1] if step.op == "add" else [v * point[1] for v in data]
                nums = list(map(add, parts[0], other))
            values.append(bounded(nums, f"instruction {i}"))
        return values

    def pullback(self, winners: Winners, position: int, weights: Sparse) -> tuple[Sparse, int]:
        """Write the sum of ``weights[j]`` times entry j of an integer vector as ``gradient . x + constant``."""
        pending, constant = dict[int, Sparse]({position: weights}), 0
        spend(8 * position)
        for i in range(position, 0, -1):
            step, weights = self.steps[i], {j: v for j, v in pending.pop(i, {}).items() if v}
            if not weights:
                continue
            bits, each = width(weights.values()), len(step.data[0][0]) if step.op == "matmul" else 2
            spend(len(weights) * each, bits + width(step.factors), step.bits)
            if step.op == "shift":
                constant += sum(v * step.data[j] for j, v in weights.items())
            parts = self._pull(step, winners.get(i, step.data), weights)
            for src, factor, part in zip(step.srcs, step.factors, parts, strict=True):
                total = pending.setdefault(src, {})
                for j, v in part.items():
                    total[j] = total.get(j, 0) + v * factor
        return pending.get(0, {}), constant

    def _pull(self, step: Step, data: Any, weights: Sparse) -> list[Sparse]:
        """Hand the weights of a vector's entries on to the entries of its sources."""
        if step.op in ("shift", "add"):
            return [weights for _ in step.srcs]
        if step.op == "scale":
            return [{j: v * data[j] for j, v in weights.items()}]
        if step.op == "matmul":
            height, wide = len(data[0]), len(data[0][0])
            sums, zero = dict[int, list[int]](), [0] * wide
            for j, v in weights.items():
                block, line = j // height, data[j // height // step.rows][j % height]
                hold(len(sums) * wide, keep=False)
                sums[block] = [s + v * w for s, w in zip(sums.get(block, zero), line, strict=True)]
            return [{block * wide + e: s for block, total in sums.items() for e, s in enumerate(total) if s}]
        joined: Sparse = {}
        for j, v in weights.items():
            joined[data[j]] = joined.get(data[j], 0) + v  # -1 is the constant 0, in no source
        spend((2 * len(joined) + 16) * len(step.srcs))
        ends = pairwise(accumulate((self.steps[src].size for src in step.srcs), initial=0))
        return [{j - low: v for j, v in joined.items() if low <= j < high} for low, high in ends]


def some(count: int, noun: str) -> str:
    """Say how many there are."""
    return f"{count} {noun if count == 1 else noun[:-1] + 'ies' if noun[-1] == 'y' else noun + 's'}"


def show(*values: Fraction | None) -> str:
    """Write rationals in decimal, long ones rounded, of many the first: what is exact is the statement's hash."""
    texts: list[str] = []
    for value in values[:8]:
        top, bottom = (0, 1) if value is None else (value.numerator, value.denominator)
        whole, rest = divmod(abs(top) * 10**15 // bottom, 10**15)
        about = f"{whole}.{rest:015d}" if 0 < whole + rest < 10**30 else f"2^{top.bit_length() - bottom.bit_length()}"
        exact = max(top.bit_length(), bottom.bit_length()) <= 40
        texts.append(str(value).lower() if exact else f"about {'-' * (top < 0)}{about}")
    return ", ".join([*texts, f"... {len(values)} numbers"] if len(values) > 8 else texts)


class Opened(NamedTuple):
    """A certificate file: what its JSON object holds, the bytes of the program that it speaks of and their hash, and
    the lines after the object."""

    kind: str
    info: dict[str, Any]
    statement: Any
    evidence: Any
    program: bytes
    program_sha256: str
    lines: Iterator[bytes]


def opened(certificate: bytes, program: bytes | Callable[[str], bytes]) -> Opened:
    """Open a certificate and its program file: that one's bytes, or a function that reads it by name."""
    lines = unpacked(certificate) if certificate[:2] == b"\x1f\x8b" else iter([certificate])
    top = fields(read_json(next(lines, b""), "certificate"), "certificate", *CERTIFICATE)
    version, kind, bound, info, statement, evidence = top
    form(version == FORMAT, f"certificate: expected the format {FORMAT}, got {str(version)[:40]!r}; make it anew")
    form(type(kind) is str and KIND.fullmatch(kind), "certificate: kind: expected a short name")
    for value in fields(info, "info", *(info if type(info) is dict else ())):
        strings(value if type(value) is list else [value], "info")
    named, file = fields(bound, "program", "sha256", "file")
    form(type(file) is str and FILE_NAME.fullmatch(file), "program: expected the name of a file without folders")
    data = program if isinstance(program, bytes) else program(file)
    sha256 = hashlib.sha256(data).hexdigest()
    allow(len(certificate), len(data))
    form(named == sha256, f"the certificate is not about this program of SHA-256 {sha256}")
    return Opened(kind, info, statement, evidence, data, sha256, lines)


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a gzip file, without their ends."""
    form(len(data) <= MAX_BYTES, f"certificate: more than {MAX_BYTES} bytes")
    left = MAX_TEXT
    try:
        with gzip.open(io.BytesIO(data)) as text:
            while line := text.readline(MAX_LINE + 1):
                left -= len(line)
                form(line[-1:] == b"\n" and left >= 0, "certificate: a line or the text is too long, or has no end")
                yield line[:-1]
    except (OSError, EOFError, zlib.error) as error:
        raise Rejected(f"certificate: no gzip file: {error}", 3) from None


def check(certificate: bytes, program: bytes | Callable[[str], bytes]) -> Report:
    """Check a certificate against a program file: its bytes, or a function that reads it by name; raises Rejected."""
    found = opened(certificate, program)
    lines = beside(found.kind, "prove")(found)
    form(next(found.lines, None) is None, "certificate: lines follow its end")
    stated = {"program": found.program_sha256, "statement": found.statement}
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"))
    return Report(found.program_sha256, hashlib.sha256(text.encode()).hexdigest(), tuple(lines), found.info)


def beside(name: str, function: str = "check") -> Any:
    """Return what check_<name>.py, beside this file, does for a kind of certificate, or for a part of its evidence."""
    if __name__ == "__main__":  # alone: the files beside this one are a package, which they import by its name
        folder = os.path.dirname(os.path.abspath(__file__))
        for package in ("exactbox", "exactbox.verify"):
            sys.modules.setdefault(package, ModuleType(package)).__path__ = [folder]
        sys.modules.setdefault("exactbox.verify.check", sys.modules[__name__])
    try:
        module = import_module(f"exactbox.verify.check_{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").rpartition("check_")[2]
        need(missing not in SHIPPED, f"check_{missing}.py is missing beside check.py", 5)
        raise Rejected(f"certificate: this checker knows no kind {name!r}: it has no check_{name}.py", 3) from None
    form(hasattr(module, function), f"certificate: {name!r} is no kind of certificate")
    return getattr(module, function)


def main(arguments: list[str]) -> int:
    """Check the files named on the command line, print the outcome, and return the exit code."""
    try:
        form(len(arguments) in (1, 2), "usage: check.py CERTIFICATE [PROGRAM]")
        near = partial(os.path.join, os.path.dirname(arguments[0]))
        report = check(_read(arguments[0]), lambda name: _read([*arguments, near(name)][1]))
    except (Rejected, OSError, MemoryError) as error:
        code, verdict = (error.code, error.verdict) if isinstance(error, Rejected) else (3, VERDICTS[3])
        print(f"{verdict}: {ascii(str(error) or 'not enough memory')[1:-1]}")
        return code
    print(f"accepted: of the program with SHA-256 {report.program_sha256} is proved, in exact arithmetic:")
    print(*report.lines, f"statement SHA-256 {report.statement_sha256}", sep="\n")
    print("not checked: that an ONNX file computes this program (exactbox check CERT --model M.onnx does that)")
    return 0


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
