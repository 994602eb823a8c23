"""Many random mutations of certificates and programs, hashes recomputed: whatever is accepted is true."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from exactbox.polytope.canonical import parse_program
from exactbox.polytope.domain_rows import domain_from_rows
from tests.verify import tree_cases
from tests.verify.cases import Case, battery, outcome
from tests.verify.mutations import Path, changes_of, nodes, replaced
from tests.verify.tree_cases import Tree, certified
from tests.verify.truth import fraction, objections, table

REGIONS, TREES = 44_000, 8_000
SEED = 20_261


def mutant(rng: random.Random, case: Case) -> Case:
    """Return a case with one to three values changed, or exchanged for others of the same case."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        roots = {"certificate": case.certificate, "program": case.program}
        places = [*nodes(roots["certificate"], ("certificate",)), *nodes(roots["program"], ("program",))]
        path, value = rng.choice([place for place in places if not free(place[0])])
        changes = changes_of(value)
        if rng.random() < 0.35:
            others = [one for _, one in places if type(one) is type(value) and one != value]
            case = replaced(case, path, rng.choice(others)) if others else case
        elif changes:
            case = replaced(case, path, rng.choice(list(changes.values()))(value))
    return case


def free(path: Path) -> bool:
    """Say whether a place is a root, or one that states nothing."""
    return len(path) < 2 or path[:2] == ("certificate", "info") or path[:3] == ("certificate", "program", "sha256")


@pytest.mark.slow
def test_no_mutated_region_is_accepted_unless_it_is_true() -> None:
    rng, codes = random.Random(SEED), Counter[int]()
    cases = list(battery().values())
    while sum(codes.values()) < REGIONS:
        case = rng.choice(cases)
        try:
            other = mutant(rng, case)
        except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
            continue  # a second change to what the first one took away
        found = outcome(other)
        codes[found.code] += 1
        assert found.code in (0, 1, 3)
        if found.code == 0:
            assert objections(other) == [], other.certificate
    assert codes[1] > REGIONS // 20 and codes[3] > REGIONS // 4 and codes[0] > 100


def tree_mutant(rng: random.Random, tree: Tree) -> Tree:
    """Return a tree with lines or words changed, or another statement, or another program."""
    kind = rng.random()
    if kind < 0.15:
        case = replaced(Case(tree.head, json.loads(tree.program)), *statement_change(rng, tree))
        return Tree(case.certificate, tree.lines, tree.program)
    if kind < 0.3:
        program = json.loads(tree.program)
        path, value = rng.choice([p for p in nodes(program, ("program",)) if len(p[0]) > 1 and changes_of(p[1])])
        case = replaced(Case(tree.head, program), path, rng.choice(list(changes_of(value).values()))(value))
        text = json.dumps(case.program, separators=(",", ":")).encode()
        return Tree(tree.head, tree.lines, text).about(text)
    lines = list(tree.lines)
    for _ in range(rng.choice((1, 1, 2))):
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        words = lines[i].split(" ")
        k = rng.randrange(len(words))
        other = lines[j].split(" ")
        lines[i] = rng.choice((
            lines[j], "", " ".join([*words[:k], *words[k + 1 :]]),
            " ".join([*words[:k], rng.choice(other), *words[k + 1 :]]),
            " ".join([*words[:k], str(rng.randrange(12)), *words[k + 1 :]]), f"{lines[i]};{lines[j]}",
            lines[i].split(";")[0],
        ))  # fmt: skip
        if rng.random() < 0.2:
            lines[i], lines[j] = lines[j], lines[i]
    return tree.with_lines(lines)


def statement_change(rng: random.Random, tree: Tree) -> tuple[Path, object]:
    """Return a place in the statement and another value for it."""
    stated = [p for p in nodes(tree.head, ("certificate",)) if p[0][:2] == ("certificate", "statement")]
    path, value = rng.choice([p for p in stated if changes_of(p[1])])
    return path, rng.choice(list(changes_of(value).values()))(value)


def true_regions(tree: Tree) -> Any:
    """Enumerate what a tree speaks of, and return what should be stated."""
    domain = tree.head["statement"]["domain"]
    size = len(domain["lower"])
    lower, upper = ([fraction(end) for end in domain[side]] for side in ("lower", "upper"))
    rows, equations = table(domain["rows"], size + 1), table(domain["equations"], size + 1)
    equal = (equations[:, :-1], equations[:, -1])
    where = domain_from_rows(lower, upper, rows[:, :-1], rows[:, -1], *equal)
    found = certified(parse_program(tree.program.decode().rstrip("\n") + "\n"), where)
    return [found.head["statement"][key] for key in ("regions", "patterns")]


@pytest.mark.slow
def test_no_mutated_enumeration_is_accepted_unless_it_is_true() -> None:
    rng, codes, trees = random.Random(SEED), Counter[int](), list(tree_cases.battery().values())
    while sum(codes.values()) < TREES:
        tree = rng.choice(trees)
        try:
            other = tree_mutant(rng, tree)
        except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
            continue
        found = other.outcome()
        codes[found.code] += 1
        assert found.code in (0, 1, 3)
        if found.code == 0 and (other.program, other.head["statement"]) != (tree.program, tree.head["statement"]):
            assert [other.head["statement"][key] for key in ("regions", "patterns")] == true_regions(other)
    assert codes[1] > TREES // 10 and codes[3] > TREES // 10
