"""What a check may cost is bounded by the sizes of its files, before it is spent; hostile files are refused."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at
from exactbox.verify import check, check_enumeration
from exactbox.verify.certificate import write_certificate
from exactbox.verify.tree_certificate import write_enumeration
from tests.nets import random_mlp
from tests.source_tree import REPOSITORY
from tests.verify import tree_cases
from tests.verify.cases import battery, outcome, run
from tests.verify.hostile import HOSTILE

UNPUNISHED = ("steps_and_equations", "given_denominators", "dense_rows", "given_equations", "many_outputs",
              "deep_branches")  # fmt: skip
"""Files that fit into the budget: they are checked to the end."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow little, so that a refusal takes no time."""
    monkeypatch.setattr(check.Budget, "work", 1 << 16)
    monkeypatch.setattr(check.Budget, "memory", 1 << 20)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in UNPUNISHED])
def test_hostile_files_are_refused(name: str, small: None) -> None:
    found = run(*HOSTILE[name]())
    assert found.code == 3 and not found.lines
    assert any(words in found.reason for words in ("more work", "more memory", "too large", "too long", "expected 0"))


def test_honest_certificates_leave_most_of_the_budget() -> None:
    for name, case in battery().items():
        assert outcome(case).code == 0
        assert check.BUDGET.work > check.Budget.work * 0.99, name
        assert check.BUDGET.memory > check.Budget.memory * 0.99, name
    for name, tree in tree_cases.battery().items():
        assert tree.outcome().code == 0
        assert check.BUDGET.work > check.Budget.work * 0.9, name


def test_every_check_begins_with_a_whole_budget() -> None:
    case = battery()["every instruction"]
    left: set[tuple[int, int]] = set()
    for _ in range(3):
        assert outcome(case).code == 0
        left.add((check.BUDGET.work, check.BUDGET.memory))
    assert len(left) == 1


def test_regions_that_were_checked_pay_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long enumeration is justified by its regions, which come one by one; a claim of many is not."""
    tree = tree_cases.battery()["space"]
    monkeypatch.setattr(check.Budget, "work", 6000 - 16 * (len(tree.packed()) + len(tree.program)))
    assert tree.outcome().code == 0
    monkeypatch.setattr(check_enumeration, "spend", lambda count, *bits: check.spend(max(count, 0), *bits))
    claimed = tree.stating(lambda statement: statement.update(regions=999_999_999))
    assert tree.outcome().code == claimed.outcome().code == 3


def test_more_regions_than_stated_are_not_followed() -> None:
    tree = tree_cases.battery()["space"]
    fewer = tree.stating(lambda statement: statement.update(regions=1))
    assert fewer.outcome().code == 1 and "more than" in fewer.outcome().reason


def test_what_the_checker_does_not_read_is_refused_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left of it."""
    program = random_mlp([2, 4, 2], 0)
    region = region_at(program, exact([1, 2]), everything(2))
    for name, most in (("MAX_BYTES", 500), ("MAX_SIZE", 3), ("MAX_VECTOR_BITS", 20), ("MAX_LINE", 50)):
        with monkeypatch.context() as patch:
            patch.setattr(check, name, most)
            with pytest.raises(BudgetError, match="check"):
                write_enumeration(tmp_path / "r", program, box([-1, -1], [1, 1]))
            if name != "MAX_LINE":
                with pytest.raises(BudgetError, match="check"):
                    write_certificate(tmp_path / "c", region)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_no_small_file_costs_ten_seconds_or_a_gibibyte(name: str, tmp_path: Path) -> None:
    """Measured in a process of its own, under a limit of its address space and of its processor time."""
    certificate, program = HOSTILE[name]()
    (tmp_path / "c").write_bytes(certificate)
    (tmp_path / "p.json").write_bytes(program)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 12))

    words = [sys.executable, "-I", "-S", str(REPOSITORY / "verify" / "check.py"), str(tmp_path / "c")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.stderr == "" and "not enough memory" not in done.stdout
    assert done.returncode in ((0, 1, 3) if name in UNPUNISHED else (3,)), done.stdout
