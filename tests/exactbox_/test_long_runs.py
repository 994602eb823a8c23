"""Long runs: whatever cuts and kills them, they give the same regions, files and certificates."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from exactbox.checking import check
from exactbox.cli import run
from exactbox.enumerating import Enumerated, enumerate, prepare
from exactbox.enumerating_report import document
from exactbox.interrupting import Interrupt
from exactbox.iterating import iter_regions
from exactbox.loading import Model, load
from exactbox.long_runs import Limits
from exactbox.polytope.enumeration import Progress
from exactbox.polytope.errors import InputError
from exactbox.polytope.region import Region
from exactbox.region_table import records
from exactbox.run_results import Ways, long_run
from tests.exactbox_.long_nets import UNIT, kept, names, same
from tests.importers.onnx_models import mlp, save

pytest.importorskip("pyarrow")
KILLS = 20


@pytest.mark.usefixtures("hasty", "short_parts")
@pytest.mark.parametrize("sizes", [(1, 5, 4, 2), (2, 6, 4, 2), (2, 9, 2), (4, 7, 3), (3, 6, 5, 4, 2)])
def test_cut_everywhere(sizes: tuple[int, ...], tmp_path: Path) -> None:
    net = load(str(save(mlp(2, sizes), tmp_path, "n.onnx")), verify=False)
    expected = enumerate(net, box=UNIT, merge=True)
    same(enumerate(net, box=UNIT, merge=True, state=tmp_path / "state"), expected)


@pytest.mark.usefixtures("hasty")
def test_many_small_steps(
    model: Model, straight: Enumerated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exactbox.polytope.layer_run._STEPS", 300)
    expected = enumerate(model, box=UNIT, neighbors=True)
    found, steps, counts = None, 0, [0]
    while found is None or not found.complete:
        found = enumerate(
            model, box=UNIT, neighbors=True, state=tmp_path / "state", resume=steps > 0, time_limit=0
        )
        steps += 1
        counts.append(len(found))
        assert found.complete or found.reason == "stopped: the time limit of 0 seconds was reached"
    assert steps > 8 and counts == sorted(counts) and found.seconds > 0
    same(found, expected)
    assert {region.pattern for region in found} == {region.pattern for region in straight}


def test_a_finished_state_is_read_again(model: Model, straight: Enumerated, tmp_path: Path) -> None:
    for resume in (False, True):
        same(enumerate(model, box=UNIT, neighbors=True, state=tmp_path / "s", resume=resume), straight)
    with pytest.raises(InputError, match="give resume=True"):
        enumerate(model, box=UNIT, neighbors=True, state=tmp_path / "s")
    stream = iter_regions(model, box=UNIT, state=tmp_path / "t")
    patterns = [region.pattern for region in stream]
    assert patterns == [region.pattern for region in straight] and stream.complete and stream.count == len(straight)


def test_the_number_of_regions_is_kept(model: Model, straight: Enumerated, tmp_path: Path) -> None:
    state, total = tmp_path / "state", len(straight)
    for limit in (1, 7, total - 1):
        found = enumerate(model, box=UNIT, neighbors=True, state=state, resume=limit > 1, max_regions=limit)
        assert (len(found), found.complete) == (limit, False)
        assert found.reason == f"stopped: more than {limit} region{'s' * (limit != 1)}"
        assert list(found.classes) == list(straight.classes[:limit])
        assert set(found.borders) == {pair for pair in straight.borders if max(pair) < limit}
    same(enumerate(model, box=UNIT, neighbors=True, state=state, resume=True, max_regions=total), straight)


@pytest.mark.usefixtures("hasty")
def test_a_caller_can_stop_it(model: Model, straight: Enumerated, tmp_path: Path) -> None:
    heard: list[Progress] = []

    def enough(progress: Progress) -> bool:
        heard.append(progress)
        return len(heard) == 2

    found = enumerate(model, box=UNIT, neighbors=True, state=tmp_path / "state", progress=enough)
    assert (found.complete, found.reason) == (False, "stopped: interrupted")
    assert len(heard) == 2 and heard[-1].frontier > 0
    assert enumerate(model, box=UNIT, progress=lambda _: True).reason == "stopped: interrupted"
    same(enumerate(model, box=UNIT, neighbors=True, state=tmp_path / "state", resume=True), straight)


def test_the_stream_holds_nothing_back(model: Model, straight: Enumerated) -> None:
    stream = iter_regions(model, box=UNIT)
    first = next(stream)
    assert isinstance(first, Region) and not stream.complete and stream.count == 1
    assert [first.pattern, *(region.pattern for region in stream)] == [region.pattern for region in straight]
    assert stream.complete and stream.reason == "all regions were found"
    short = iter_regions(model, box=UNIT, max_regions=3)
    assert len(list(short)) == 3 and not short.complete and "more than 3" in short.reason


# kills


def forked(target: Callable[[], object]) -> BaseProcess:
    """Run something in another process, which begins as a copy of this one."""
    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    return process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_twenty_kills(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.long_runs.SHORTEST", 0.01)
    monkeypatch.setattr("exactbox.run_state.COMMIT_SECONDS", 0.01)
    monkeypatch.setattr("exactbox.polytope.layer_run._STEPS", 200)
    net = load(path, verify=False)
    expected = enumerate(net, box=UNIT)

    def attempt(folder: Path) -> None:
        enumerate(net, box=UNIT, state=folder, resume=True)

    began = time.monotonic()
    whole = forked(partial(attempt, tmp_path / "whole"))
    whole.join()
    length = time.monotonic() - began
    draw, middle = random.Random(7), 0
    for number in range(KILLS):
        folder = tmp_path / str(number)
        victim = forked(partial(attempt, folder))
        time.sleep(draw.uniform(0, length))
        os.kill(victim.pid or 0, signal.SIGKILL)
        victim.join()
        middle += 0 < kept(folder) < len(expected)
        same(enumerate(net, box=UNIT, state=folder, resume=True), expected)
        shutil.rmtree(folder)
    assert middle > 0


HASTE = """
from exactbox import cli, long_runs, run_state
long_runs.SHORTEST = long_runs.LONGEST = run_state.COMMIT_SECONDS = 0.01
cli.main()
"""


def started(line: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a command that saves often, and return once it has saved something."""
    process = subprocess.Popen([sys.executable, "-c", HASTE, *line], stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not list(folder.glob("*.state/part-00000002.parquet")):
        time.sleep(0.005)
    return process


def test_the_command_is_killed_and_goes_on(tmp_path: Path) -> None:
    net = save(mlp(1, (3, 24, 24, 2)), tmp_path, "larger.onnx")
    line = ["enumerate", str(net), "--box", "-1", "1", "--no-runtime", "--neighbors", "-o"]
    out = tmp_path / "killed.jsonl"
    with started([*line, str(out)], tmp_path) as process:
        process.kill()
    assert not out.exists() and 0 < kept(tmp_path / "killed.jsonl.state")
    assert run([*line, str(out)]) == 3
    assert run([*line, str(out), "--resume"]) == 0
    assert run([*line, str(tmp_path / "straight.jsonl")]) == 0
    assert out.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()
    assert names(tmp_path) == ["killed.jsonl", "larger.onnx", "straight.jsonl"]


# files and certificates


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("ending", ["parquet", "csv", "json", "jsonl"])
def test_files_are_those_of_a_run_in_memory(model: Model, path: str, ending: str, tmp_path: Path) -> None:
    file, expected = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    line = ["enumerate", path, "--box", "-1", "1", "--merge", "-o", str(file)]
    assert run([*line, "--time-limit", "0"]) == 2
    assert names(tmp_path) == [file.name, f"{file.name}.state"]
    assert run([*line, "--resume"]) == 0
    enumerate(model, box=UNIT, merge=True).save(expected)
    assert file.read_bytes() == expected.read_bytes() and names(tmp_path) == [file.name, expected.name]


@pytest.mark.usefixtures("short_parts")
def test_the_certificate_of_a_run_in_pieces(model: Model, path: str, tmp_path: Path) -> None:
    for folder in ("at once", "pieces"):
        (tmp_path / folder).mkdir()
    expected, certificate = tmp_path / "at once" / "c.gz", tmp_path / "pieces" / "c.gz"
    enumerate(model, box=UNIT, certificate=expected)
    line = ["enumerate", path, "--box", "-1", "1", "--certificate", str(certificate), "--state", str(tmp_path / "s")]
    assert run([*line, "--time-limit", "0"]) == 2
    assert names(tmp_path / "pieces") == []
    assert run([*line, "--time-limit", "0", "--resume"]) == 2
    assert run([*line, "--resume"]) == 0
    assert names(tmp_path / "pieces") == names(tmp_path / "at once")
    assert check(certificate, path).accepted
    assert tree_of(certificate) == tree_of(expected)


def tree_of(certificate: Path) -> list[bytes]:
    """Return all lines of a certificate but the first, whose notes may differ."""
    return gzip.decompress(certificate.read_bytes()).splitlines()[1:]


def test_a_stopped_command_says_how_to_go_on(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["enumerate", path, "--box", "-1", "1", "-o", str(tmp_path / "r.csv")]
    assert run([*line, "--max-regions", "5"]) == 2
    text = " ".join(capsys.readouterr().out.split())
    assert "INCOMPLETE: stopped: more than 5 regions" in text and "the same command with --resume goes on" in text
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 6
    assert run(line) == 3 and "give --resume" in capsys.readouterr().err
    assert run([*line, "--resume", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["complete"], content["reason"]) == (True, "all regions were found")
    assert content["regions"] == len((tmp_path / "r.csv").read_text().splitlines()) - 1
    assert names(tmp_path) == ["r.csv"]


def test_the_document_is_the_same(model: Model, straight: Enumerated) -> None:
    prepared = prepare(model, box=UNIT)
    with long_run(prepared, Ways(), Limits(), hanging=True) as found:
        content, expected = document(found.counts()), straight.as_dict()
    for one in (content, expected):
        del one["seconds"], one["regions_per_second"]
    assert content == expected


def test_a_plane(tmp_path: Path) -> None:
    path = str(save(mlp(1, (3, 6, 4, 2)), tmp_path, "n.onnx"))
    given = ["1,0,0", "0,1,0", "0,0,1"]
    expected = enumerate(path, plane=given)
    file = tmp_path / "plane.jsonl"
    assert run(["enumerate", path, "--plane", *given, "-o", str(file)]) == 0
    assert [json.loads(line) for line in file.read_text().splitlines()] == list(records(expected))
    assert [region.pattern for region in iter_regions(path, plane=given)] == [region.pattern for region in expected]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    net = save(mlp(1, (3, 24, 24, 2)), tmp_path, "larger.onnx")
    line = ["enumerate", str(net), "--box", "-1", "1", "--no-runtime", "-o", str(tmp_path / "r.csv")]
    with started(line, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        text = " ".join(process.communicate()[0].split())
    assert process.returncode == 2 and "stopped: interrupted" in text and "with --resume goes on" in text
    assert 0 < len((tmp_path / "r.csv").read_text().splitlines()) - 1 == kept(tmp_path / "r.csv.state")
    assert run([*line, "--resume"]) == 0
    assert names(tmp_path) == ["larger.onnx", "r.csv"]


@pytest.mark.parametrize("options", [(), ("-o", "r.csv")], ids=["in memory", "with a state"])
def test_nothing_long_begins_after_ctrl_c(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Interrupt, "asked", property(lambda _: True, lambda *_: None), raising=False)
    save(mlp(1, (2, 6, 6, 2)), tmp_path, "net.onnx")
    line = ["enumerate", "net.onnx", "--box", "-1", "1", "--analyze", "--boundary", "b.json", *options]
    assert run(line) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "left out because of Ctrl-C" in said and "boundary" not in said and not Path("b.json").exists()
