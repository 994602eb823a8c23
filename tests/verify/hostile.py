"""Small files that cost a checker without bounds minutes and gigabytes."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from math import gcd
from typing import Any

Files = tuple[bytes, bytes]  # a certificate and its program
Instructions = list[dict[str, Any]]


def text(value: object) -> bytes:
    """Return JSON in one line."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def program(instructions: Instructions, size: int, outputs: int) -> bytes:
    """Return a program file without a head."""
    head = {"steps": [], "rule": "none", "tie": "first", "labels": [],
            "output": {"shape": None, "dtype": "", "moved": None, "holds": "all"}}  # fmt: skip
    return text({
        "format": "exactbox-program-2", "inputs": [{"name": "x", "shape": [size], "dtype": "float32"}],
        "output": {"name": "y", "shape": [outputs]}, "head": head, "replaced": [], "instructions": instructions,
    })  # fmt: skip


def bound(kind: str, about: bytes, statement: dict[str, Any], evidence: dict[str, Any], info: Any = None) -> bytes:
    """Return a certificate of a program."""
    return text({
        "format": "exactbox-certificate-2", "kind": kind,
        "program": {"sha256": hashlib.sha256(about).hexdigest(), "file": "p.json"},
        "info": info or {}, "statement": statement, "evidence": evidence,
    })  # fmt: skip


def free(size: int) -> dict[str, Any]:
    """Return all of R^size."""
    return {"lower": [None] * size, "upper": [None] * size, "rows": [], "equations": []}


def region(instructions: Instructions, size: int, made: int, **changes: Any) -> Files:
    """Return the certificate of a region at 0; keys of the evidence begin with ``by_``."""
    about = program(instructions, size, made)
    statement: dict[str, Any] = {
        "domain": free(size), "given": None, "point": ["0"] * size, "pattern": [], "outputs": [], "coef": [],
        "intercept": [], "decision": None, "facets": None, "distances": [],
    }  # fmt: skip
    evidence: dict[str, Any] = {"witness": ["0"] * size, "given": None, "facets": None, "distances": []}
    for key, value in changes.items():
        place, name = (evidence, key[3:]) if key.startswith("by_") else (statement, key)
        place[name] = value
    return bound("region", about, statement, evidence), about


def enumeration(instructions: Instructions, size: int, outputs: int, domain: Any, regions: int, body: bytes) -> Files:
    """Return the certificate of an enumeration whose tree is the body."""
    about = program(instructions, size, outputs)
    statement = {"domain": domain, "given": None, "regions": regions, "patterns": "0" * 64}
    return gzip.compress(bound("enumeration", about, statement, {"given": None}) + body, 9), about


def coprime(count: int) -> list[int]:
    """Return numbers of about 32 700 bits, no two of which have a common factor: 2^a - 1 for coprime a."""
    exponents: list[int] = []
    a = 32_700
    while len(exponents) < count:
        if all(gcd(a, b) == 1 for b in exponents):
            exponents.append(a)
        a -= 1
    return [(1 << a) - 1 for a in exponents]


def outer(width: int) -> Instructions:
    """Return one input spread over ``width * (width - 1)`` entries by two products."""
    return [
        {"op": "input", "size": 1},
        {"op": "matmul", "src": 0, "rows": 1, "shape": [1, width, 1], "weight": ["1"] * width},
        {"op": "matmul", "src": 1, "rows": width, "shape": [1, width - 1, 1], "weight": ["1"] * (width - 1)},
    ]


def last(code: Instructions, *more: dict[str, Any]) -> Instructions:
    """Return the code, more of it, and at the end the entry 0 of the last vector."""
    whole = [*code, *more]
    return [*whole, {"op": "gather", "srcs": [len(whole) - 1], "index": [0]}]


def large_vectors() -> Files:
    """A vector of 2^24 entries from 8192 weights, added to itself 40 times."""
    code = outer(4096)
    for _ in range(40):
        code.append({"op": "add", "left": len(code) - 1, "right": len(code) - 1})
    return region(last(code), 1, 1)


def many_vectors() -> Files:
    """2^20 entries, handed on 1000 times and all kept."""
    code = outer(1025)
    for _ in range(1000):
        code.append({"op": "add", "left": len(code) - 1, "right": len(code) - 1})
    return region(last(code), 1, 1)


def growing_numbers() -> Files:
    """Repeated squaring of the weight's size: scales by numbers of 32 768 bits."""
    big = "7" + "f" * 8000
    code: Instructions = [{"op": "input", "size": 1}]
    code.append({"op": "matmul", "src": 0, "rows": 1, "shape": [1, 4000, 1], "weight": [big] * 20 + ["1"] * 3980})
    for k in range(30):
        code.append({"op": "scale", "src": k + 1, "by": [big] + ["1"] * 3999})
    return region(last(code), 1, 1, point=["1"], by_witness=["1"])


def common_denominator() -> Files:
    """One vector of 40 000 entries, 31 of them with denominators without common factors."""
    weights = [f"1/{q:x}" for q in coprime(31)] + ["1"] * 40_000
    code: Instructions = [{"op": "input", "size": 1}]
    code.append({"op": "matmul", "src": 0, "rows": 1, "shape": [1, len(weights), 1], "weight": weights})
    return region(last(code), 1, 1, point=["1"], by_witness=["1"])


def repeated_scales() -> Files:
    """A gather from 60 000 sources whose scale has 2^20 bits."""
    weights = [f"1/{q:x}" for q in coprime(31)]
    code: Instructions = [{"op": "input", "size": 1}]
    code.append({"op": "matmul", "src": 0, "rows": 1, "shape": [1, len(weights), 1], "weight": weights})
    code.append({"op": "scale", "src": 1, "by": ["1/3"] * 31})
    code.append({"op": "gather", "srcs": [1, 2] * 30_000, "index": [0]})
    return region(code, 1, 1, point=["1"], by_witness=["1"])


def given_denominators() -> Files:
    """A row of 40 000 equal denominators, whose product has 600 000 bits."""
    n = 40_000
    domain = {**free(n), "rows": [["1"] * n + [f"{32749:x}"]]}
    given = {**free(n), "rows": [[f"1/{32749:x}"] * n + ["1"]]}
    code: Instructions = [{"op": "input", "size": n}, {"op": "gather", "srcs": [0], "index": [0]}]
    return region(code, n, 1, domain=domain, given=given, by_given=[])


def given_primes() -> Files:
    """A row of 20 000 different denominators."""
    n = 20_000
    odd = [f"1/{2 * i + 3:x}" for i in range(n)]
    domain = {**free(n), "rows": [[*odd, "1"]]}
    code: Instructions = [{"op": "input", "size": n}, {"op": "gather", "srcs": [0], "index": [0]}]
    return region(code, n, 1, domain=domain, given=domain, by_given=[])


def given_equations() -> Files:
    """250 dense equations of 300 coordinates to eliminate."""
    n = 300
    lines = [[f"{(i * 7919 + j * j * 104_729) % 251:x}" for j in range(n)] + ["0"] for i in range(250)]
    code: Instructions = [{"op": "input", "size": n}, {"op": "gather", "srcs": [0], "index": [0]}]
    return region(code, n, 1, given={**free(n), "equations": lines}, by_given=[])


def dense_rows() -> Files:
    """3000 units over 400 inputs that are all sums of all inputs: 1.2 million entries of rows, and one verdict each."""
    d, n = 400, 3000
    code: Instructions = [
        {"op": "input", "size": d},
        {"op": "matmul", "src": 0, "rows": 1, "shape": [1, 1, d], "weight": ["1"] * d},
        {"op": "gather", "srcs": [1], "index": [0] * n},
        {"op": "shift", "src": 2, "by": ["1"] * n},
        {"op": "max", "src": 3, "groups": [[-1, i] for i in range(n)]},
    ]
    facets = {"centre": ["0"] * d, "verdicts": [["open"]] + [["same", 0]] * (n - 1)}
    return region(last(code), d, 1, pattern=[[1] * n], facets={"of": "region", "rows": [], "open": [0]},
                  by_facets=facets)  # fmt: skip


def pullbacks() -> Files:
    """20 000 units, each of which is pulled back through 60 shared products of 100x100."""
    k, n = 100, 20_000
    code: Instructions = [{"op": "input", "size": k}]
    for _ in range(4):
        code.append({"op": "matmul", "src": len(code) - 1, "rows": 1, "shape": [1, k, k], "weight": ["1"] * k * k})
    source = len(code) - 1
    code.append({"op": "gather", "srcs": [source], "index": [i % k for i in range(n)]})
    code.append({"op": "shift", "src": source + 1, "by": ["1"] * n})
    code.append({"op": "max", "src": source + 2, "groups": [[-1, i] for i in range(n)]})
    distances = [{"to": "region", "norm": "linf", "value": None, "row": None, "nearest": None}]
    return region(last(code), k, 1, pattern=[[1] * n], distances=distances, by_distances=[None])


def repeated_sources() -> Files:
    """A gather from 100 000 times the same vector of 10 000 entries."""
    code: Instructions = [{"op": "input", "size": 10_000}, {"op": "gather", "srcs": [0] * 100_000, "index": [0]}]
    return region(code, 10_000, 1)


def sources_and_rows() -> Files:
    """5000 rows that are handed back through a gather from 50 000 sources."""
    n = 5000
    code: Instructions = [
        {"op": "input", "size": 2},
        {"op": "gather", "srcs": [0] * 50_000, "index": [0] * n},
        {"op": "shift", "src": 1, "by": ["1"] * n},
        {"op": "max", "src": 2, "groups": [[-1, i] for i in range(n)]},
    ]
    distances = [{"to": "region", "norm": "linf", "value": None, "row": None, "nearest": None}]
    return region(last(code), 2, 1, pattern=[[1] * n], distances=distances, by_distances=[None])


def long_programs() -> Files:
    """8000 units above 8000 instructions that none of them reads."""
    n = 8000
    code: Instructions = [{"op": "input", "size": 1}]
    code += [{"op": "gather", "srcs": [0], "index": [0]} for _ in range(n)]
    code.append({"op": "gather", "srcs": [0], "index": [0] * n})
    code.append({"op": "shift", "src": n + 1, "by": ["1"] * n})
    code.append({"op": "max", "src": n + 2, "groups": [[-1, i] for i in range(n)]})
    distances = [{"to": "region", "norm": "linf", "value": None, "row": None, "nearest": None}]
    return region(last(code), 1, 1, pattern=[[1] * n], distances=distances, by_distances=[None])


def steps_and_equations() -> Files:
    """4000 rows that are kept by a step each, beside 20 000 coefficients of equations."""
    n, m, d = 4000, 100, 300
    lines = [[("1" if j == i else "0" if j < m else "1") for j in range(d)] + ["0"] for i in range(m)]
    code: Instructions = [
        {"op": "input", "size": d},
        {"op": "gather", "srcs": [0], "index": [m + i % (d - m) for i in range(n)]},
        {"op": "shift", "src": 1, "by": [f"{i + 1:x}" for i in range(n)]},
        {"op": "max", "src": 2, "groups": [[-1, i] for i in range(n)]},
    ]
    step = [[*range(m), m], ["1"] * m + ["-1"]]
    facets = {"centre": ["0"] * d, "verdicts": [["kept", *step] for _ in range(n)]}
    return region(last(code), d, 1, pattern=[[1] * n], domain={**free(d), "equations": lines},
                  facets={"of": "region", "rows": list(range(n)), "open": []}, by_facets=facets)  # fmt: skip


def many_distances() -> Files:
    """3000 distances, each of which is to be compared with 3000 rows."""
    n = 3000
    code: Instructions = [
        {"op": "input", "size": 1},
        {"op": "gather", "srcs": [0], "index": [0] * n},
        {"op": "shift", "src": 1, "by": [f"{i + 1:x}" for i in range(n)]},
        {"op": "max", "src": 2, "groups": [[-1, i] for i in range(n)]},
    ]
    distances = [{"to": "region", "norm": "linf", "value": "1", "row": 0, "nearest": ["-1"]}] * n
    return region(last(code), 1, 1, pattern=[[1] * n], distances=distances, by_distances=[None] * n)


def many_outputs() -> Files:
    """W with 3000 rows, each pulled back through a product of 3000 by 100 and one of 100 by 100."""
    k, n = 100, 3000
    code: Instructions = [{"op": "input", "size": k}]
    for _ in range(3):
        code.append({"op": "matmul", "src": len(code) - 1, "rows": 1, "shape": [1, k, k], "weight": ["1"] * k * k})
    code.append({"op": "gather", "srcs": [3], "index": [i % k for i in range(n)]})
    return region(code, k, n, outputs=list(range(n)), coef=[["f4240"] * k] * n, intercept=["0"] * n)


def dense_bases() -> Files:
    """One region of 4000 units over 300 inputs, each decided by two bounds: a dense 300x300 basis for each."""
    d, n = 300, 4000
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)][: n * 7 : 7]
    signs = [1 - 2 * (k % 2) for k in range(n)]
    code: Instructions = [
        {"op": "input", "size": d},
        {"op": "gather", "srcs": [0], "index": [i for i, _ in pairs]},
        {"op": "gather", "srcs": [0], "index": [j for _, j in pairs]},
        {"op": "add", "left": 1, "right": 2},
        {"op": "scale", "src": 3, "by": [str(s) for s in signs]},
        {"op": "shift", "src": 4, "by": ["0" if s > 0 else "2" for s in signs]},
        {"op": "max", "src": 5, "groups": [[-1, i] for i in range(n)]},
    ]
    rows = zip(pairs, signs, strict=True)
    nodes = [b"0 1 %d %d\n" % ((i, j) if s > 0 else (d + i, d + j)) for (i, j), s in rows]
    domain = {"lower": ["0"] * d, "upper": ["1"] * d, "rows": [], "equations": []}
    return enumeration(last(code), d, 1, domain, 999_999_999, b"".join(nodes) + b" ".join([b"1/2"] * d) + b"\n")


def wide_groups() -> Files:
    """One maximum of 3000 candidates over 50 inputs, all kept: nine million rows."""
    d, n = 50, 3000
    code: Instructions = [
        {"op": "input", "size": d},
        {"op": "gather", "srcs": [0], "index": [i % d for i in range(n)]},
        {"op": "scale", "src": 1, "by": [f"{i + 1:x}" for i in range(n)]},
        {"op": "max", "src": 2, "groups": [list(range(n))]},
    ]
    domain = {"lower": ["0"] * d, "upper": ["1"] * d, "rows": [], "equations": []}
    return enumeration(code, d, 1, domain, 1000, b"\n" + b" ".join([b"1/2"] * d) + b"\n")


def deep_branches() -> Files:
    """2000 units of which every node keeps both candidates, over an outer product that every cell evaluates again."""
    code: Instructions = [*outer(1000)]
    for k in range(400):
        source = len(code) - 1
        code.append({"op": "gather", "srcs": [source], "index": [k]})
        code.append({"op": "shift", "src": source + 1, "by": [f"-1/{k + 2:x}"]})
        code.append({"op": "max", "src": source + 2, "groups": [[-1, 0]]})
        code.append({"op": "matmul", "src": source + 3, "rows": 1, "shape": [1, 1000, 1], "weight": ["1"] * 1000})
    domain = {"lower": ["0"], "upper": ["1"], "rows": [], "equations": []}
    return enumeration(last(code), 1, 1, domain, 1 << 20, b"\n" * 5_000_000)


def long_first_line() -> Files:
    """A first line of 2^28 bytes that is 260 kB when compressed."""
    about = program([{"op": "input", "size": 1}], 1, 1)
    start = b'{"format":"exactbox-certificate-2","kind":"enumeration","program":{"sha256":"","file":"x"},"info":{"a":['
    return gzip.compress(start + b"[]," * ((1 << 28) // 3 - 100) + b"0]}}\n", 9), about


def lists_of_nothing() -> Files:
    """A megabyte of empty lists."""
    code: Instructions = [{"op": "input", "size": 1}]
    return region(code, 1, 1, pattern=[[]] * 330_000)


HOSTILE: Mapping[str, Callable[[], Files]] = {
    make.__name__: make
    for make in (
        large_vectors, many_vectors, growing_numbers, common_denominator, repeated_scales, given_denominators,
        given_primes, given_equations, dense_rows, pullbacks, repeated_sources, sources_and_rows, long_programs,
        steps_and_equations, many_distances, many_outputs, dense_bases, wide_groups, deep_branches, long_first_line,
        lists_of_nothing,
    )
}  # fmt: skip
