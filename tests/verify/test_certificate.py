"""Certificates are written with their program, both or neither, and read back as they were."""

from __future__ import annotations

import hashlib
import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from exactbox.polytope.canonical import program_hash, program_text
from exactbox.polytope.decision import decide
from exactbox.polytope.distance import distance
from exactbox.polytope.domain import box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.program import Input, Instruction, Port, Program, Scale
from exactbox.polytope.rational import exact, from_fractions
from exactbox.polytope.region import Region, region_at
from exactbox.polytope.verdicts import Dropped
from exactbox.verify import check
from exactbox.verify.certificate import Claims, certificate_text, program_file, read_certificate, write_certificate
from tests.nets import BATTERY, random_mlp


@pytest.fixture
def region() -> Region:
    """The region of a small random net around a point."""
    return region_at(random_mlp([3, 5, 2], seed=4), exact(["0.5", "0.25", "-1"]), box([-1, -1, -1], [1, 1, 1]))


def test_both_files_lie_side_by_side(region: Region, tmp_path: Path) -> None:
    program = write_certificate(tmp_path / "c.json", region)
    assert program == tmp_path / program_file(program_hash(region.program))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["c.json", program.name])
    assert program.read_text() == program_text(region.program)
    assert hashlib.sha256(program.read_bytes()).hexdigest() == program_hash(region.program)
    assert (tmp_path / "c.json").read_text() == certificate_text(region)
    assert check.main([str(tmp_path / "c.json")]) == 0


def test_certificates_of_one_model_share_its_program_file(region: Region, tmp_path: Path) -> None:
    other = region_at(region.program, exact([0, 0, 0]), region.domain)
    assert write_certificate(tmp_path / "a.json", region) == write_certificate(tmp_path / "b.json", other)
    assert len(list(tmp_path.iterdir())) == 3
    assert [check.main([str(tmp_path / name)]) for name in ("a.json", "b.json")] == [0, 0]


def test_a_certificate_is_replaced_whole(region: Region, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    target.write_text("what was here before")
    write_certificate(target, region)
    assert check.main([str(target)]) == 0


def test_what_is_read_is_what_was_written(region: Region, tmp_path: Path) -> None:
    info = {"model": "net.onnx", "sha256": "0" * 64, "labels": ["ä", "b\n"], "external": []}
    write_certificate(tmp_path / "c.json", region, info=info)
    found = read_certificate(tmp_path / "c.json")
    assert found.program_sha256 == program_hash(region.program)
    assert found.program_file == program_file(found.program_sha256)
    assert found.info == info
    assert found.point.equals(region.point)
    assert found.coef.equals(region.coef) and found.coef.shape == (2, 3)
    assert found.intercept.equals(region.intercept)
    assert found.statement["pattern"] == [part.tolist() for part in region.pattern.winners]
    assert found.evidence["facets"] is None


def test_the_same_certificate_is_written_each_time(region: Region) -> None:
    assert certificate_text(region) == certificate_text(region)
    again = region_at(region.program, region.point, region.domain)
    assert certificate_text(region) == certificate_text(again)


def names_in(folder: Path) -> list[str]:
    """List a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_missing_folder_is_named(region: Region, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.*No such file"):
        write_certificate(tmp_path / "absent" / "c.json", region)
    assert names_in(tmp_path) == []


def test_a_folder_in_the_certificates_place_leaves_nothing_behind(region: Region, tmp_path: Path) -> None:
    """The program can be written, the certificate cannot: then neither is."""
    (tmp_path / "c.json").mkdir()
    with pytest.raises(InputError, match=r"c\.json: cannot be written"):
        write_certificate(tmp_path / "c.json", region)
    assert names_in(tmp_path) == ["c.json"]


def test_a_failing_rename_keeps_an_older_program_file(
    region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = write_certificate(tmp_path / "a.json", region)
    replace = os.replace

    def fail(source: Path, target: Path) -> None:
        if target.name == "b.json":
            raise OSError(28, "No space left on device", str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"b\.json: cannot be written: No space left"):
        write_certificate(tmp_path / "b.json", region)
    assert names_in(tmp_path) == sorted(["a.json", program.name])
    assert check.main([str(tmp_path / "a.json")]) == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no strict JSON"),
        ("{}", "expected an object of"),
        ('{"a": 1.5}', "expected an integer"),
        ('{"a": 1, "a": 1}', "a key twice"),
    ],
)
def test_what_is_no_certificate_is_not_read(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=why):
        read_certificate(tmp_path / "c.json")


def test_another_kind_is_not_read(region: Region, tmp_path: Path) -> None:
    content = json.loads(certificate_text(region))
    (tmp_path / "c.json").write_text(json.dumps({**content, "kind": "tree"}))
    with pytest.raises(InputError, match="expected a certificate of a region, got 'tree'"):
        read_certificate(tmp_path / "c.json")
    with pytest.raises(InputError, match="No such file"):
        read_certificate(tmp_path / "d.json")


def test_claims_of_a_decision_need_the_decision(region: Region) -> None:
    found = distance(region.domain, region.rows, region.point, "l1")
    with pytest.raises(InputError, match="need the decision"):
        Claims(distances=[("decision", found)])
    with pytest.raises(InputError, match="need the decision"):
        Claims(minimal=region.facets, minimal_of="decision")
    assert Claims(distances=[("region", found)], minimal=region.facets).decision is None


@pytest.mark.parametrize(("value", "chosen"), [("1/2", 1), ("-1/2", 0), ("0", 0)])
def test_the_sign_is_written_as_a_class(value: str, chosen: int) -> None:
    program = Program((Port("x", (1,)),), (Input(1),), Port("y", (1,)))
    region = region_at(program, exact([value]), everything(1))
    decision = decide("sign", [0], region.value(region.point))
    text = certificate_text(region, Claims(decision))
    assert json.loads(text)["statement"]["decision"] == {"rule": "sign", "outputs": [0], "chosen": chosen}
    assert check.check(text.encode(), program_text(program).encode()).lines


def test_a_number_that_is_too_long_is_refused_in_writing() -> None:
    """Each factor fits, their product does not."""
    factor = from_fractions([Fraction(1, 3**9000)])
    code: tuple[Instruction, ...] = (Input(1), *(Scale(i, factor) for i in range(4)))
    program = Program((Port("x", (1,)),), code, Port("y", (1,)))
    assert program_text(program)
    region = region_at(program, exact([1]), everything(1))
    with pytest.raises(BudgetError, match="hexadecimal digits"):
        certificate_text(region)


@pytest.mark.parametrize("denominator", [1, 3, 7])
def test_multipliers_are_stated_for_the_formats_rows(denominator: int) -> None:
    """Bounds with denominators, and bounds of pivots, are scaled to integer rows in the file; multipliers with them."""
    end = Fraction(5, denominator)
    domain = domain_from_rows(
        [0, -end, None], [end, end / 2, end], [[1, 2, 3], [2, 2, 0]], [end, 3 * end], [[2, 1, -1]], [Fraction(1, 7)]
    )
    program = random_mlp([3, 6, 4, 2], seed=2)
    region = region_at(program, domain.witness, domain)
    assert any(isinstance(verdict, Dropped) and len(verdict.multipliers) > 1 for verdict in region.facets.verdicts)
    text = certificate_text(region, Claims(minimal=region.facets))
    lines = check.check(text.encode(), program_text(program).encode()).lines
    assert any(line.startswith(f"P has {len(region.facets.facets)} facets") for line in lines)


@pytest.mark.parametrize("name", sorted(BATTERY))
def test_every_degenerate_net_is_certified_at_its_ties(name: str) -> None:
    program = BATTERY[name]()
    for point in (["0", "0"], ["1/4", "-1/8"], ["-1/4", "0"]):
        region = region_at(program, exact(point), box([-1, -1], [1, 1]))
        decision = decide("argmin", range(program.output_size), region.value(region.point))
        text = certificate_text(region, Claims(decision, region.facets))
        assert check.check(text.encode(), program_text(program).encode()).program_sha256 == program_hash(program)
