"""The format is read strictly: whatever FORMAT.md does not allow is malformed, with a reason and no traceback."""

from __future__ import annotations

import hashlib
import json
import math
import re
from fractions import Fraction
from typing import Any

import pytest

from exactbox.polytope.canonical import program_text
from exactbox.polytope.domain import everything
from exactbox.polytope.program import Head, Input, Port, Program
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at
from exactbox.verify import check
from exactbox.verify.certificate import certificate_text
from tests.verify.cases import FORMAT, Case, outcome, run, worked_example
from tests.verify.mutations import Path, replaced


def example_files() -> tuple[bytes, bytes]:
    """Return the two blocks of FORMAT.md as they stand."""
    blocks = dict(re.findall(r"<!-- example: (\w+) -->\n```json\n(.*?)```", FORMAT, re.DOTALL))
    return blocks["certificate"].encode(), blocks["program"].encode()


def malformed(certificate: bytes, program: bytes, why: str = "") -> None:
    """Assert that two files are refused as malformed."""
    found = run(certificate, program)
    assert found.code == 3, found
    assert why in found.reason and found.reason


def test_the_example_is_accepted_as_printed_with_its_own_hash() -> None:
    certificate, program = example_files()
    found = run(certificate, program)
    assert found.code == 0
    assert found.lines == (
        'outputs are the numbers under the head of "y", no part of what is proved: "Softmax-13 axis=1"',
        "D: lower bounds of y in R^2: all 0",
        "D: upper bounds of y in R^2: all 1",
        "D: 4 inequalities, bounds among them, and 0 equations in all",
        "x0 = (1/2, 1/4) lies in D and in P",
        "P: the part of D where every max unit (2 in all) takes the pattern's candidate; its dimension is D's, 2",
        'on P, outputs [0, 1] of "y" are W y + c, as in the certificate',
        "at x0, argmax of outputs [0, 1] is 0 (\"cat\"), by 7/4; on P' it is largest, ties included",
        "P' has 6 facets: 1 of units, 1 of the decision, 4 of D",
        "from x0 to where D leaves P: 1/8, by linf, across row 1",
        "from x0 to where D leaves P': 1/4, by l1, across row 1",
        "from x0 to where D leaves P': 1/32, the square of the l2 distance, across row 1",
    )


def test_a_program_of_the_older_format_is_refused_by_name() -> None:
    found = outcome(program(("format",), "exactbox-program-1"))
    assert found.code == 3 and "exactbox-program-1, an older version" in found.reason and "again" in found.reason


def test_replaced_constants_and_moved_axes_are_stated() -> None:
    constants = [{"node": "BatchNormalization 'b\n'", "formula": "1/sqrt(variance + epsilon)", "count": 7, "bits": 80}]
    output = {"shape": [2, 1], "dtype": "", "moved": 0, "holds": "all"}
    found = outcome(replaced(program(("replaced",), constants), ("program", "head", "output"), output))
    assert found.code == 0
    assert found.lines[1:3] == (
        'outputs are numbered in C order of [1, 2]: axis 0 of "y" was moved last',
        'the network is f~: a rational of 80 bits stands for each irrational "1/sqrt(variance + epsilon)" of '
        '"BatchNormalization \'b\\n\'", 7 in all',
    )


def test_the_report_names_what_it_is_about() -> None:
    certificate, program = example_files()
    report = check.check(certificate, program)
    assert report.program_sha256 == hashlib.sha256(program).hexdigest()
    stated = {"program": report.program_sha256, "statement": json.loads(certificate)["statement"]}
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"))
    assert report.statement_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_spelling_is_no_part_of_the_statement() -> None:
    """White space, the order of keys and the informative part do not change the statement's hash."""
    certificate, program = example_files()
    value = json.loads(certificate)
    value["info"] = {"anything": ["goes", "here"]}
    again = json.dumps({key: value[key] for key in reversed(value)}, indent=3).encode()
    first, second = check.check(certificate, program), check.check(again, program)
    assert again != certificate and first._replace(info={}) == second._replace(info={}) and first != second


def test_the_program_can_be_read_when_its_name_is_known() -> None:
    certificate, program = example_files()
    asked: list[str] = []

    def load(name: str) -> bytes:
        asked.append(name)
        return program

    assert check.check(certificate, load).program_sha256 == hashlib.sha256(program).hexdigest()
    assert asked == ["example.program.json"]


CERTIFICATES: dict[str, tuple[bytes, bytes]] = {
    "float index": (b'"rows": [1, 2', b'"rows": [1.0, 2'),
    "float with exponent": (b'"rows": [1, 2', b'"rows": [1e0, 2'),
    "huge exponent": (b'"rows": [1, 2', b'"rows": [1e999999999, 2'),
    "NaN": (b'"rows": [1, 2', b'"rows": [NaN, 2'),
    "Infinity": (b'"rows": [1, 2', b'"rows": [Infinity, 2'),
    "-Infinity": (b'"rows": [1, 2', b'"rows": [-Infinity, 2'),
    "bool": (b'"rows": [1, 2', b'"rows": [true, 2'),
    "minus zero": (b'"outputs": [0, 1],\n   "coef"', b'"outputs": [-0, 1],\n   "coef"'),
    "leading zero": (b'"rows": [1, 2', b'"rows": [01, 2'),
    "10 digits": (b'"rows": [1, 2', b'"rows": [1000000000, 2'),
    "10 000 digits": (b'"rows": [1, 2', b'"rows": [' + b"1" * 10_000 + b", 2"),
    "10 000 hexadecimal digits": (b'"witness": ["1/2"', b'"witness": ["1/' + b"2" * 10_000 + b'"'),
    "key twice": (b'"kind": "region"', b'"kind": "region", "kind": "region"'),
    "statement twice": (b'"evidence": {', b'"statement": null, "evidence": {'),
    "key twice by an escape": (b'"kind": "region"', b'"kind": "region", "k\\u0069nd": "region"'),
    "key twice, deep": (b'"rows": [], "equations"', b'"rows": [], "rows": [], "equations"'),
    "key twice, informative": (b'"note": "worked by hand"', b'"note": "a", "note": "b"'),
    "informative number": (b'"note": "worked by hand"', b'"note": 1'),
    "informative object": (b'"note": "worked by hand"', b'"note": {}'),
    "another format": (b"exactbox-certificate-2", b"exactbox-certificate-1"),
    "another kind": (b'"kind": "region"', b'"kind": "tree"'),
    "folder": (b"example.program.json", b"../example.program.json"),
    "absolute": (b"example.program.json", b"/example.program.json"),
    "hidden": (b"example.program.json", b".program.json"),
    "nul": (b"example.program.json", b"example\\u0000.json"),
    "comment": (b'"kind"', b'/* why */ "kind"'),
    "trailing comma": (b'"kind": "region",', b'"kind": "region",,'),
    "trailing text": (b'["0", "8", "24"]]}}', b'["0", "8", "24"]]}} {}'),
    "single quotes": (b'"kind"', b"'kind'"),
    "control character": (b"worked by hand", b"worked\x01by hand"),
    "not UTF-8": (b"worked by hand", b"worked \xff hand"),
    "surrogate": (b'"argmax", "outputs"', b'"\\ud800", "outputs"'),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates_are_read_strictly(name: str) -> None:
    certificate, program = example_files()
    old, new = CERTIFICATES[name]
    assert certificate.count(old) >= 1
    malformed(certificate.replace(old, new, 1), program)


NOTHING: dict[str, bytes] = {
    "empty": b"",
    "blank": b" ",
    "null": b"null",
    "list": b"[]",
    "number": b"0",
    "text": b'"text"',
    "object": b"{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "nul": b"\x00",
    "no UTF-8": b"\xff" * 9,
    "deep, open": b"[" * 100_000,
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "deep within the limit": b'{"info":' + b"[" * 900 + b"]" * 900 + b"}",
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_certificate_is_malformed(name: str) -> None:
    data = NOTHING[name]
    certificate, program = example_files()
    malformed(data, program)
    digest = hashlib.sha256(program).hexdigest().encode()
    malformed(certificate.replace(digest, hashlib.sha256(data).hexdigest().encode()), data)


def test_a_file_that_is_too_long_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, program = example_files()
    monkeypatch.setattr(check, "MAX_BYTES", len(certificate) - 1)
    malformed(certificate, program, "more than")


def program(path: Path, value: object) -> Case:
    """Return the worked example with another value in its program."""
    return replaced(worked_example(), ("program", *path), value)


PROGRAMS: dict[str, tuple[Path, Any]] = {
    "another format": (("format",), "exactbox-program-3"),
    "an older format": (("format",), "exactbox-program-1"),
    "no instruction": (("instructions",), []),
    "no input": (("instructions", 0), {"op": "add", "left": 0, "right": 0}),
    "two inputs": (("instructions", 1), {"op": "input", "size": 2}),
    "unknown instruction": (("instructions", 2), {"op": "relu", "src": 1}),
    "list as operator": (("instructions", 2), {"op": ["add"], "left": 0, "right": 0}),
    "no operator": (("instructions", 2), {"left": 0, "right": 0}),
    "text as instruction": (("instructions", 2), "add"),
    "reads itself": (("instructions", 2, "src"), 2),
    "reads ahead": (("instructions", 2, "src"), 4),
    "reads -1": (("instructions", 2, "src"), -1),
    "gathers nothing": (("instructions", 2), {"op": "gather", "srcs": [], "index": []}),
    "gathers past the end": (("instructions", 2), {"op": "gather", "srcs": [1], "index": [0, 2]}),
    "gathers -2": (("instructions", 2), {"op": "gather", "srcs": [1], "index": [0, -2]}),
    "sizes differ": (("instructions", 2), {"op": "add", "left": 0, "right": 1, "by": []}),
    "empty group": (("instructions", 3, "groups", 0), []),
    "candidate twice": (("instructions", 3, "groups", 0), [0, 0]),
    "candidate out of range": (("instructions", 3, "groups", 0), [0, 2]),
    "padding": (("instructions", 3, "groups", 0), [0, -2]),
    "weight too short": (("instructions", 1, "weight"), ["1", "1", "1"]),
    "shape does not fit": (("instructions", 1, "shape"), [1, 2, 3]),
    "shape of two": (("instructions", 1, "shape"), [2, 2]),
    "shape of zeros": (("instructions", 1, "shape"), [0, 2, 2]),
    "no rows": (("instructions", 1, "rows"), 0),
    "huge rows": (("instructions", 1, "rows"), 999_999_999),
    "huge input": (("instructions", 0, "size"), 999_999_999),
    "empty input": (("instructions", 0, "size"), 0),
    "shape of the input": (("inputs", 0, "shape"), [3]),
    "negative shape": (("inputs", 0, "shape"), [-1, -2]),
    "shape of the output": (("output", "shape"), [1, 3]),
    "unknown rule": (("head", "rule"), "softmax"),
    "unknown tie": (("head", "tie"), "any"),
    "number as label": (("head", "labels"), [1, 2]),
    "number as name": (("inputs", 0, "name"), 5),
    "number as operator's name": (("head", "steps", 0, "op"), 5),
    "text as operator": (("head", "steps"), ["Softmax"]),
    "text as version": (("head", "steps", 0, "version"), "13"),
    "number as setting": (("head", "steps", 0, "settings"), [1]),
    "number as axes": (("head", "steps", 0, "over"), 1),
    "negative axis": (("head", "steps", 0, "over"), [-1]),
    "text as the head's shape": (("head", "output", "shape"), "1"),
    "text as the moved axis": (("head", "output", "moved"), "1"),
    "number as the labels' type": (("head", "output", "dtype"), 1),
    "half of the entries": (("head", "output", "holds"), "half"),
    "one key too few in the head's output": (("head", "output"), {"shape": [1, 2], "dtype": "", "moved": None}),
    "no list of replaced constants": (("replaced",), None),
    "no replaced constant": (("replaced",), [{"node": "n", "formula": "f", "count": 0, "bits": 80}]),
    "number as formula": (("replaced",), [{"node": "n", "formula": 1, "count": 1, "bits": 80}]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_read_strictly(name: str) -> None:
    found = outcome(program(*PROGRAMS[name]))
    assert found.code == 3 and found.reason


@pytest.mark.parametrize("size", [1, 3])
def test_vectors_of_different_size_are_not_added(size: int) -> None:
    step = {"op": "add", "left": 2, "right": 3}
    case = program(("instructions", 3), {"op": "gather", "srcs": [2], "index": [0] * size})
    instructions = [*case.program["instructions"][:4], step]
    assert "differ in size" in outcome(replaced(case, ("program", "instructions"), instructions)).reason


def test_numbers_that_grow_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scale adds 30 000 bits; a chain of them is stopped before the numbers fill the memory."""
    wide = "7" + "f" * 8000
    for by in (f"1/{wide}", wide):
        steps: list[Any] = [{"op": "input", "size": 1}]
        steps += [{"op": "scale", "src": i, "by": [by]} for i in range(40)]
        case = worked_example()
        case.program.update(instructions=steps, inputs=[{"name": "x", "shape": [1], "dtype": "float32"}])
        case.program["output"]["shape"] = [1]
        domain = {"lower": [None], "upper": [None], "rows": [], "equations": []}
        statement = {"domain": domain, "given": None, "point": ["1"], "pattern": [], "outputs": [], "coef": [],
                     "intercept": [], "decision": None, "facets": None, "distances": []}  # fmt: skip
        case.certificate.update(
            statement=statement, evidence={"witness": ["1"], "given": None, "facets": None, "distances": []}
        )
        assert outcome(case).code == 3 and re.search("too large|more work", outcome(case).reason)


def test_many_coprime_denominators_are_refused() -> None:
    """A vector of 200 denominators of 8000 digits would need a common one of a million."""
    case = worked_example()
    texts = [f"1/{(1 << 31_000) + 2 * k + 1:x}" for k in range(200)]
    case.program["instructions"][2]["by"] = texts
    assert outcome(case).code == 3
    found = outcome(replaced(worked_example(), ("certificate", "statement", "intercept"), texts))
    assert found.code == 3


@pytest.mark.parametrize("text", ["0x1", "1_0", "1.e", "1.5", "½", "1/-2", "--1", "1/2/3", "/2", "2/", "", "A"])
def test_rationals_have_one_spelling(text: str) -> None:
    for path in (("certificate", "statement", "point", 0), ("program", "instructions", 2, "by", 0)):
        assert outcome(replaced(worked_example(), path, text)).code == 3


@pytest.mark.parametrize(("key", "value"), [("outputs", [1, 0]), ("outputs", [0, 0]), ("outputs", [0, 2])])
def test_outputs_are_strictly_increasing(key: str, value: list[int]) -> None:
    assert outcome(replaced(worked_example(), ("certificate", "statement", key), value)).code == 3
    assert outcome(replaced(worked_example(), ("certificate", "statement", "decision", key), value)).code == 3


def test_a_certificate_may_explain_some_outputs_only() -> None:
    case = worked_example()
    case.certificate["statement"].update(outputs=[1], coef=[["-1", "-1"]], intercept=["1/2"])
    assert outcome(case).code == 0
    assert any("outputs [1]" in line for line in outcome(case).lines)
    case.certificate["statement"].update(outputs=[0])
    assert outcome(case).code == 1


def test_names_cannot_forge_lines() -> None:
    """A name with line breaks or terminal codes is printed escaped, on its own line."""
    case = program(("output", "name"), "y\naccepted: everything \x1b[2J\u202e\ud800")
    found = outcome(case)
    assert found.code == 0
    assert all(line.isascii() and line.isprintable() for line in found.lines)
    label = outcome(program(("head", "labels"), ["cat\nnot", "dog"]))
    assert all(line.isprintable() for line in label.lines) and label.code == 0


def test_long_vectors_and_numbers_are_cut_short_in_words() -> None:
    values = [Fraction(1, 3**400), Fraction(-(3**400)), Fraction(-(2**41) - 1, 5), Fraction(7)]
    assert check.show(*values) == "about 2^-633, about -2^633, about -439804651110.600000000000000, 7"
    assert check.show(*[Fraction(1)] * 9) == "1, 1, 1, 1, 1, 1, 1, 1, ... 9 numbers"
    assert check.show(None, Fraction(1, 2)) == "none, 1/2"


def decided(shape: tuple[int, ...], head: Head, rule: str, outputs: list[int], chosen: int) -> str:
    """Return what the checker says is decided by outputs that are their inputs, the chosen one being 1."""
    size = math.prod(shape)
    program = Program((Port("x", (size,)),), (Input(size),), Port("y", shape), head)
    point = [int(i == (outputs[0] if rule == "sign" else chosen)) for i in range(size)]
    text = certificate_text(region_at(program, exact(point), everything(size)))
    case = Case(json.loads(text), json.loads(program_text(program)))
    case.certificate["statement"]["decision"] = {"rule": rule, "outputs": outputs, "chosen": chosen}
    (line,) = (line for line in outcome(case).lines if line.startswith("at x0"))
    return line


@pytest.mark.parametrize(
    ("shape", "head_rule", "names", "rule", "outputs", "chosen", "named"),
    [
        ((1, 2), "argmax", ("cat", "dog"), "argmax", [0, 1], 1, "dog"),
        ((1, 2), "none", ("cat", "dog"), "argmax", [0, 1], 1, "dog"),
        ((1, 2), "argmax", ("cat", "dog"), "sign", [0], 1, ""),
        ((1, 1), "sign", ("cat", "dog"), "sign", [0], 1, "dog"),
        ((1, 1), "none", ("cat", "dog"), "sign", [0], 1, ""),
        ((2, 3), "argmax", ("red", "green", "blue"), "argmax", [3, 4, 5], 3, "red"),
        ((2, 3), "argmax", ("red", "green", "blue"), "argmax", [1, 2, 3], 3, ""),
        ((2, 3), "argmax", ("red", "green", "blue"), "argmax", [0, 2, 4], 2, ""),
        ((2, 3), "argmax", ("red", "green", "blue"), "argmax", [0, 1], 1, ""),
        ((3, 2), "argmax", ("red", "green", "blue"), "argmax", [0, 1, 2], 1, ""),
        ((1, 3, 1), "argmax", ("red", "green", "blue"), "argmax", [0, 1, 2], 1, "green"),
        ((2, 2), "argmax", ("a", "b"), "argmax", [1, 2], 2, ""),
    ],
)  # fmt: skip
def test_a_class_is_named_only_where_the_names_are_those_of_what_is_compared(
    shape: tuple[int, ...],
    head_rule: Any,
    names: tuple[str, ...],
    rule: str,
    outputs: list[int],
    chosen: int,
    named: str,
) -> None:
    """The head's names are those of one row of outputs, or the two of a sign that the head itself takes."""
    line = decided(shape, Head((), head_rule, "first", names), rule, outputs, chosen)
    assert f'is {chosen} ("{named}")' in line if named else "(" not in line


@pytest.mark.parametrize("version", ["exactbox-certificate-1", "exactbox-certificate-3", "", 7, None])
def test_another_version_is_refused_by_its_name(version: object) -> None:
    certificate, program = example_files()
    value = json.loads(certificate)
    value["format"] = version
    found = run(json.dumps(value).encode(), program)
    assert found.code == 3 and repr(str(version)) in found.reason and "exactbox-certificate-2" in found.reason
