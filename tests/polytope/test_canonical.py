"""One text for each program: what it looks like, that it is reversible, and that nothing else is read as one."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope import exact as exactly
from exactbox.polytope.canonical import (
    MAX_DIGITS,
    hex_text,
    hex_texts,
    parse_program,
    parse_rationals,
    program_hash,
    program_text,
)
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.program import (
    Add,
    Gather,
    Head,
    HeadStep,
    Input,
    MatMul,
    Max,
    Port,
    Program,
    Provenance,
    Replaced,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals, exact, from_fractions
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


def every_instruction() -> Program:
    """Return a program with all seven instructions, two inputs and a head."""
    groups = np.array([[-1, 1, 0], [2, -2, -2]], dtype=np.int64)
    code = (
        Input(3),
        Gather((0, 0), np.array([0, 5, -1, 2], dtype=np.int64)),
        MatMul(1, exact([[["1/2", "-0.1"]], [["3", "0"]]]), 1),
        Scale(2, exact([-1, "1/3"])),
        Shift(3, exact(["0.5", 16])),
        Add(4, 2),
        Gather((5, 0), np.array([0, 1, 4], dtype=np.int64)),
        Max(6, groups),
    )
    steps = (HeadStep("Softmax", "", 13, ("axis=1",), (1,)), HeadStep("ArgMax", "", 13))
    head = Head(steps, "argmax", "last", ("ä", 'b"\n'), (1,), "string", 0, True)
    ports = (Port("a", (1, 2)), Port("b", (), "float64"))
    return Program(ports, code, Port("y", (1, 2)), head, replaced=(Replaced("Sqrt 's'", "sqrt(input)", 2, 80),))


TEXT = (
    '{"format":"exactbox-program-2","inputs":[{"name":"a","shape":[1,2],"dtype":"float32"},'
    '{"name":"b","shape":[],"dtype":"float64"}],"output":{"name":"y","shape":[1,2]},'
    '"head":{"steps":[{"op":"Softmax","domain":"","version":13,"settings":["axis=1"],"over":[1]},'
    '{"op":"ArgMax","domain":"","version":13,"settings":[],"over":null}],'
    '"rule":"argmax","tie":"last","labels":["\\u00e4","b\\"\\n"],'
    '"output":{"shape":[1],"dtype":"string","moved":0,"holds":"part"}},'
    '"replaced":[{"node":"Sqrt \'s\'","formula":"sqrt(input)","count":2,"bits":80}],'
    '"instructions":[{"op":"input","size":3},{"op":"gather","srcs":[0,0],"index":[0,5,-1,2]},'
    '{"op":"matmul","src":1,"rows":1,"shape":[2,1,2],"weight":["1/2","-1/a","3","0"]},'
    '{"op":"scale","src":2,"by":["-1","1/3"]},{"op":"shift","src":3,"by":["1/2","10"]},'
    '{"op":"add","left":4,"right":2},{"op":"gather","srcs":[5,0],"index":[0,1,4]},'
    '{"op":"max","src":6,"groups":[[-1,1,0],[2]]}]}\n'
)


def test_the_text_of_every_instruction() -> None:
    assert program_text(every_instruction()) == TEXT
    assert program_hash(every_instruction()) == hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.mark.parametrize("name", sorted(BATTERY))
def test_a_program_is_read_back(name: str) -> None:
    program = BATTERY[name]()
    again = parse_program(program_text(program))
    assert program_text(again) == program_text(program)
    point = exact([["1/3"], ["-2/7"]])
    assert exactly.forward(again, point).equals(exactly.forward(program, point))


@given(programs())
def test_random_programs_are_read_back(program: Program) -> None:
    again = parse_program(program_text(program))
    assert program_hash(again) == program_hash(program)
    assert again.replaced == program.replaced
    assert again.sizes == program.sizes and again.head == program.head and again.inputs == program.inputs


def test_provenance_is_no_part_of_the_text() -> None:
    program = every_instruction()
    named = Program(
        program.inputs, program.instructions, program.output, program.head,
        tuple(Provenance(f"node{i}", (size,)) for i, size in enumerate(program.sizes)), program.replaced,
    )  # fmt: skip
    assert program_hash(named) == program_hash(program)


def test_the_denominators_in_memory_are_no_part_of_the_text() -> None:
    weight = exact([[["1/2", "3/4"]]])
    wide = Rationals(weight.num * 10, weight.den * 10)
    ports = ((Port("x", (2,)),), Port("y", (1,)))
    first, second = (Program(ports[0], (Input(2), MatMul(0, w, 1)), ports[1]) for w in (weight, wide))
    assert program_text(first) == program_text(second)


STEPS = [
    HeadStep("Softmax"),
    HeadStep("Softmax", "other"),
    HeadStep("Softmax", version=11),
    HeadStep("Softmax", settings=("axis=1",)),
    HeadStep("Softmax", over=(1,)),
    HeadStep("Softmax", over=()),
    HeadStep("Identity"),
]
HEADS = [
    Head(rule="sign"), Head(tie="last"), Head(labels=("a",)), Head(shape=(1, 1)), Head(shape=()), Head(dtype="int64"),
    Head(moved=0), Head(moved=1), Head(partial=True), Head((STEPS[0], STEPS[0])),
]  # fmt: skip
REPLACED = [
    Replaced("a", "sqrt(input)", 1, 80),
    Replaced("b", "sqrt(input)", 1, 80),
    Replaced("a", "exp(input)", 1, 80),
    Replaced("a", "sqrt(input)", 2, 80),
    Replaced("a", "sqrt(input)", 1, 96),
]


def changed() -> list[Program]:
    """Return programs that differ from ``mlp([([[1, 2]], [3])])`` in one respect each."""
    base = mlp([([[1, 2]], [3])])
    code = base.instructions
    swapped = (code[0], code[1], Scale(1, exact([3])))
    return [
        Program((Port("z", (1, 2)),), code, base.output),
        Program((Port("x", (2,)),), code, base.output),
        Program((Port("x", (1, 2), "float64"),), code, base.output),
        Program(base.inputs, code, Port("z", (1, 1))),
        Program(base.inputs, code, Port("y", (1,))),
        Program(base.inputs, swapped, base.output),
        *(Program(base.inputs, code, base.output, Head((step,))) for step in STEPS),
        *(Program(base.inputs, code, base.output, head) for head in HEADS),
        *(Program(base.inputs, code, base.output, replaced=(one,)) for one in REPLACED),
        mlp([([[1, 2]], [4])]),
        mlp([([[2, 1]], [3])]),
        mlp([([[1, "2.000000000000000000001"]], [3])]),
    ]


def test_every_change_changes_the_hash() -> None:
    hashes = [program_hash(program) for program in [mlp([([[1, 2]], [3])]), *changed()]]
    assert len(set(hashes)) == len(hashes)


def test_the_output_type_is_no_part_of_the_text() -> None:
    base = mlp([([[1, 2]], [3])])
    other = Program(base.inputs, base.instructions, Port("y", (1, 1), "float16"))
    assert program_hash(other) == program_hash(base)


def test_hashes_are_remembered_for_as_long_as_their_program() -> None:
    """Programs that are gone leave nothing that a later one in their place could be taken for."""
    assert len({program_hash(random_mlp([2, 3, 1], seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0"), ("-0", "0"), ("10", "a"), ("-26/1024", "-d/200"), ("6/4", "3/2"), ("255/16", "ff/10"), ("-1", "-1")],
)
def test_the_spelling_of_rationals(value: str, text: str) -> None:
    assert hex_text(Fraction(value)) == text
    assert hex_texts(exact([value])) == [text]
    assert parse_rationals([text]).item(0) == Fraction(value)


@given(st.lists(st.fractions(), max_size=6))
def test_rationals_are_read_back(values: list[Fraction]) -> None:
    texts = hex_texts(from_fractions(values))
    assert texts == [hex_text(value) for value in values]
    assert parse_rationals(texts).fractions() == values


@pytest.mark.parametrize(
    "text", ["", "-", "-0", "00", "A", "0x1", "1/1", "2/4", "1/0", "1/-2", "0/1", "1.0", " 1", "1_0", "\uff11"]
)
def test_no_other_spelling_is_read(text: str) -> None:
    with pytest.raises(InputError):
        parse_rationals(["1", text])


def test_arrays_keep_their_shape() -> None:
    matrix = exact([["1/2", "1"], ["0", "-3"]])
    assert parse_rationals(hex_texts(matrix), (2, 2)).equals(matrix)
    assert hex_texts(exact([])) == [] and parse_rationals([]).shape == (0,)


def test_numbers_of_too_many_digits_are_refused() -> None:
    widest = Fraction(16**MAX_DIGITS - 1)
    assert len(hex_text(widest)) == MAX_DIGITS
    for value in (widest, -widest, 1 / widest, (widest - 1) / widest):
        assert parse_rationals(hex_texts(from_fractions([value]))).item(0) == value
    for value in (widest + 1, -widest - 1, 1 / (widest + 2)):
        with pytest.raises(BudgetError, match=f"entry 1 has {MAX_DIGITS + 1} hexadecimal digits"):
            hex_texts(from_fractions([Fraction(0), value]))


REFUSED = {
    "no JSON": TEXT[:-9],
    "empty": "",
    "null": "null",
    "list": "[]",
    "deep": "[" * 100_000,
    "without its newline": TEXT[:-1],
    "with a space": TEXT.replace(":", ": ", 1),
    "other order of keys": TEXT.replace('"op":"input","size":3', '"size":3,"op":"input"'),
    "key twice": TEXT.replace('"size":3', '"size":3,"size":3'),
    "unknown key": TEXT.replace('"size":3', '"size":3,"extra":3'),
    "missing key": TEXT.replace('"src":6,', ""),
    "float": TEXT.replace('"size":3', '"size":3.0'),
    "NaN": TEXT.replace('"size":3', '"size":NaN'),
    "bool": TEXT.replace('"rows":1', '"rows":true'),
    "bool in an index": TEXT.replace("[0,5,-1,2]", "[false,5,-1,2]"),
    "huge index": TEXT.replace("[0,5,-1,2]", "[0,5,-1,99999999999999999999]"),
    "other format": TEXT.replace("program-2", "program-1"),
    "unknown instruction": TEXT.replace('"op":"scale"', '"op":"relu"'),
    "unknown rule": TEXT.replace('"rule":"argmax"', '"rule":"median"'),
    "unknown tie": TEXT.replace('"tie":"last"', '"tie":"random"'),
    "number as name": TEXT.replace('"name":"a"', '"name":1'),
    "number as label": TEXT.replace('"labels":["\\u00e4"', '"labels":[5'),
    "not escaped": TEXT.replace("\\u00e4", "ä"),
    "not reduced": TEXT.replace('"1/2","10"', '"2/4","10"'),
    "sizes that do not fit": TEXT.replace('"size":3', '"size":4'),
    "padding written out": TEXT.replace("[2]]", "[2,-2,-2]]"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_only_canonical_text_is_read(name: str) -> None:
    assert REFUSED[name] != TEXT
    with pytest.raises(InputError):
        parse_program(REFUSED[name])


def test_a_program_without_units_and_one_with_empty_groups() -> None:
    for groups in (np.zeros((0, 1), dtype=np.int64), np.array([[0]], dtype=np.int64)):
        program = Program((Port("x", (1,)),), (Input(1), Max(0, groups)), Port("y", (len(groups),)))
        assert program_text(parse_program(program_text(program))) == program_text(program)


def test_large_weights_are_written_in_ascii_json() -> None:
    text = program_text(random_mlp([20, 30, 5], seed=0))
    assert text.isascii() and text.endswith("}\n") and text.count("\n") == 1
    weights = json.loads(text)["instructions"][1]["weight"]
    assert len(weights) == 600 and all("/" in weight for weight in weights)
