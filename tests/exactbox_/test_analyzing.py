"""All analyses at once: ranking, reasons for what is left out, words, data, files, and the command line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.analysis_command import AnalysisOptions, answer, check_asked
from exactbox.analysis_report import analysis_blocks, analysis_document, located_block, located_document, write_boundary
from exactbox.analyzing import LISTED, Analysis, analyze, sizes
from exactbox.cli import run
from exactbox.locating import Located
from exactbox.partition import Measure
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.geometry import volume
from exactbox.polytope.rational import parse_number
from tests.exactbox_.enumerated import enumerated
from tests.importers.onnx_models import mlp as onnx_mlp
from tests.importers.onnx_models import save
from tests.nets import BATTERY, mlp, random_mlp


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(onnx_mlp(1, (2, 6, 4, 2)), tmp_path_factory.mktemp("model"), "small.onnx"))


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_everything_in_a_plane() -> None:
    found = enumerated(random_mlp([2, 8, 6, 3], 3), neighbors=True)
    seen = found.analyze()
    assert seen.skipped == {} and seen.sizes is not None and seen.boundary is not None
    volumes = [volume(region.facets) for region in found]
    assert [i for i, _ in seen.sizes.largest] == sorted(range(len(found)), key=lambda i: -(volumes[i] or 0))[:LISTED]
    assert [value for _, value in seen.sizes.smallest] == sorted(v for v in volumes if v)[:LISTED]
    assert seen.sizes.whole == 4 and seen.ties == 0
    text = json.loads(json.dumps(analysis_document(seen), allow_nan=False))
    assert abs(sum(row["volume"]["float"] for row in text["classes"]["by_class"].values()) - 4) < 2**-40
    assert sum(pair["polytopes"] for pair in text["boundary"]["by_classes"]) == len(seen.boundary)
    assert text["graph"]["components"] == 1 and text["graph"]["nodes"] == len(found)
    assert sum(text["graph"]["degrees"].values()) == len(found)
    labels = [label for label, _ in analysis_blocks(seen)]
    assert labels == ["by class", "sizes", "boundary", "dual graph"]


def test_reasons_for_what_is_left_out() -> None:
    found = enumerated(random_mlp([4, 4, 3, 3], 8))
    seen = analyze(found)
    assert seen.classes is not None and seen.boundary is not None and seen.sizes is not None
    assert seen.sizes.measure == "radius" and seen.sizes.whole is None
    assert set(seen.skipped) == {"class_volumes", "ties", "graph"}
    assert "at most 3 dimensions, got 4" in seen.skipped["ties"] and "neighbors=True" in seen.skipped["graph"]
    lines = dict(analysis_blocks(seen))["not computed"]
    assert lines[0] == "- volumes of classes, ties: expected a domain of at most 3 dimensions, got 4"
    assert "volume" not in dict(analysis_blocks(seen))["by class"][0]
    assert analysis_document(seen)["skipped"] == seen.skipped


def test_radii_are_certain_lower_bounds() -> None:
    found = enumerated(random_mlp([4, 4, 3], 8))
    ranked = sizes(found)
    for i, radius in (*ranked.largest, *ranked.smallest):
        assert radius > 0
        region = found[i]
        for axis in range(4):
            step = np.zeros(4, dtype=object)
            step[axis] = 1
            widths = [abs(int(row @ step)) for row in region.facets.rows.matrix]
            assert max(widths) > 0
    values = [value for _, value in ranked.largest]
    assert values == sorted(values, reverse=True)


def test_budgets_leave_out_and_say_so() -> None:
    found = enumerated(random_mlp([4, 6, 5, 3], 1))
    seen = analyze(found, seconds=0)
    assert seen.boundary is None and seen.sizes is None and seen.classes is not None and not seen.classes.complete
    assert all(f"of {len(found)} regions were" in seen.skipped[name] for name in ("sizes", "boundary"))
    assert any("regions were looked at" in line for line in dict(analysis_blocks(seen))["by class"])
    with pytest.raises(BudgetError, match="measured in 0 seconds"):
        sizes(found, 0)


def test_all_of_a_line_has_no_ball() -> None:
    found = enumerated(mlp([([[1]], [0])]), everything(1))
    assert "no facet" in analyze(found).skipped["sizes"]


def test_nothing_decided() -> None:
    seen = analyze(enumerated(random_mlp([2, 4, 2], 1), decision="none", neighbors=True))
    assert set(seen.skipped) == {"classes", "class_volumes", "boundary", "ties"}
    assert [label for label, _ in analysis_blocks(seen)] == ["sizes", "dual graph", "not computed"]


def test_classes_that_are_nowhere_are_counted() -> None:
    seen = analyze(enumerated(mlp([([[0, 0], [1, 1], [0, 0]], [9, 0, 1])])))
    lines = dict(analysis_blocks(seen))["by class"]
    assert lines[0].split() == ["regions", "wholly", "volume", "class"]
    assert lines[1].split() == ["1", "1", "4", "output", "0"]
    assert lines[2] == "2 of 3 classes are decided in no region"


def test_ties_are_said() -> None:
    seen = analyze(enumerated(BATTERY["integer"](), neighbors=True))
    assert seen.ties == 2
    rows = analysis_document(seen)["classes"]["by_class"]
    assert {name: row["volume"]["exact"] for name, row in rows.items()} == {"output 0": "21/10", "output 1": "19/10"}
    lines = dict(analysis_blocks(seen))["boundary"]
    assert lines[0] == "2 polytopes across which the decision changes, 2 where logits touch"
    assert lines[-1] == "2 parts of regions tie throughout: logits are identical there"


def test_long_numbers_are_rounded_in_data() -> None:
    found = enumerated(random_mlp([2, 4, 2], 1))
    long = Fraction(1, 3**9000)
    seen = analyze(found)
    assert seen.class_volumes is not None and seen.classes is not None
    sizes_of = {name: Measure(long, long) for name in seen.class_volumes}
    longer = Analysis(seen.classes, sizes_of, seen.sizes, seen.boundary, seen.ties, seen.graph, seen.skipped)
    volumes = [row["volume"] for row in analysis_document(longer)["classes"]["by_class"].values()]
    assert {"float": 0.0, "exact": None} in volumes
    assert any("e-" in line for line in dict(analysis_blocks(longer))["by class"])


def test_samples_in_words_and_data() -> None:
    regions = ((0,), (), (1, 2), (), *[(3,)] * 20, tuple(range(50)))
    located = Located(regions, (1,), 2, "here.csv")
    label, lines = located_block(located)
    assert label == "samples" and lines[0] == "25 samples of here.csv: 2 on boundaries, 1 outside the domain"
    assert "sample 1: outside the domain" in lines and "sample 3: in no region found" in lines
    assert lines[1].startswith("1 in no region found") and "2 entries were rounded" in lines[2]
    assert lines[-1] == "and 17 more; --json has all"
    assert located_document(located)["in_no_region_found"] == [3]
    crowded = Located((tuple(range(50)),), (), 0, "here.csv")
    assert located_block(crowded)[1][1].endswith("6, 7 and 42 more")


def test_the_boundary_as_a_file(tmp_path: Path) -> None:
    found = enumerated(BATTERY["integer"]())
    path = write_boundary(found, found.boundary(), tmp_path / "edge.json")
    text = json.loads(Path(path).read_text(encoding="utf-8"))
    assert len(text["polytopes"]) == 4 and text["complete"] is True and len(text["inputs"]) == 2
    for one in text["polytopes"]:
        row, bound = one["equation"]
        for corner in one["corners"]:
            left = sum(parse_number(a) * parse_number(x) for a, x in zip(row, corner, strict=True))
            assert left == parse_number(bound)
        assert len(one["corners"]) == len(one["rows"]) == 2


def test_the_command_line_answers_all(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "points.npy", np.zeros((2, 2), np.float32))
    files = [str(tmp_path / name) for name in ("e.json", "p.svg", "p.html")]
    arguments = ["--analyze", "--locate", tmp_path / "points.npy", "--boundary", files[0], "--plot", files[1], "--page",
                 files[2]]  # fmt: skip
    code, out, _ = execute(capsys, "enumerate", model, "--box", -1, 1, "--json", *arguments)
    content: dict[str, Any] = json.loads(out)
    assert code == 0 and content["written"] == files and all(Path(file).stat().st_size > 100 for file in files)
    assert content["analysis"]["graph"]["nodes"] == content["regions"]
    assert content["located"]["regions"][0] == content["located"]["regions"][1] != []
    code, out, _ = execute(capsys, "enumerate", model, "--box", -1, 1, "--analyze")
    assert code == 0 and "dual graph" in out and "by exact area\n" in out


def test_a_stopped_run_says_what_its_analyses_are_of(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = execute(capsys, "enumerate", model, "--box", -1, 1, "--analyze", "--max-regions", 3)
    assert code == 2 and "the analyses are of the regions found alone (stopped: more than 3 regions)" in out
    code, out, _ = execute(capsys, "enumerate", model, "--box", -1, 1, "--analyze", "--max-regions", 3, "--json")
    content = json.loads(out)
    assert (code, content["analysis"]["of_all_regions"], content["analysis"]["graph"]["nodes"]) == (2, False, 3)


def test_streamed_runs_answer_the_same(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both: list[Any] = []
    for more in ([], ["-o", tmp_path / "r.csv"]):
        _, out, _ = execute(capsys, "enumerate", model, "--box", -1, 1, "--json", "--analyze", *more)
        both.append(json.loads(out)["analysis"])
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--plot", "x.pdf"], "ending in .png or .svg", id="picture's ending"),
        pytest.param(["--page", "x.htm"], "ending in .html", id="page's ending"),
        pytest.param(["--boundary", "x.csv"], "ending in .json", id="boundary's ending"),
        pytest.param(["--plot", "no/x.png"], "does not exist; create it first", id="folder"),
        pytest.param(["--color", "map"], "give one of them too", id="colour alone"),
        pytest.param(["--view", "0", "1"], "give one of them too", id="view alone"),
        pytest.param(["--locate", "nowhere.csv"], "nowhere.csv", id="samples"),
    ],
)
def test_misuse(
    model: str, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, _, err = execute(capsys, "enumerate", model, "--box", -1, 1, *arguments)
    assert code == 3 and message in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_more_dimensions_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(onnx_mlp(1, (4, 5, 2)), tmp_path, "four.onnx")
    code, _, err = execute(capsys, "enumerate", path, "--box", -1, 1, "--plot", tmp_path / "p.png")
    assert code == 3 and "the domain has 4; give --plane X1 X2 X3" in err


def test_a_plane_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(onnx_mlp(1, (4, 5, 2)), tmp_path, "four.onnx")
    points = ["0,0,0,0", "1,0,0,0", "0,1,1,0"]
    code, out, _ = execute(
        capsys, "enumerate", path, "--plane", *points, "--analyze", "--plot", tmp_path / "p.svg", "--page",
        tmp_path / "p.html",
    )  # fmt: skip
    assert code == 0 and "p.svg" in out and "by exact area in the coordinates s and t" in out
    assert all(f"<!-- x{i} -->" in (tmp_path / "p.svg").read_text(encoding="utf-8") for i in (1, 2, 3))


def test_what_cannot_be_written_is_said_with_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("exactbox.partition_page.MOST_REGIONS", 1)
    found = enumerated(BATTERY["integer"](), neighbors=True)
    options = AnalysisOptions(page=str(tmp_path / "p.html"), plot=str(tmp_path / "p.png"))
    answers = answer(found, options)
    assert answers.written == [str(tmp_path / "p.png")] and len(answers.missed) == 1
    assert "not written: page: 8 regions are more" in answers.missed[0]
    assert answers.documents["not_written"] == answers.missed


def test_options_without_questions() -> None:
    check_asked(AnalysisOptions())
    assert not AnalysisOptions().asks and not AnalysisOptions().needs_neighbors
    assert AnalysisOptions(boundary="x.json").asks and AnalysisOptions(analyze=True).needs_neighbors


def test_the_python_methods_draw(tmp_path: Path) -> None:
    found = enumerated(BATTERY["integer"](), box([-1, -1], [1, 1]))
    assert found.plot(tmp_path / "p.svg", colour="map") == str(tmp_path / "p.svg")
    assert found.page(tmp_path / "p.html", view=(0, 1)) == str(tmp_path / "p.html")
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="ending in"):
        found.plot(tmp_path / "p.gif")
