"""Damaged and hostile files: an error of ours or a result, never a traceback, a hang or a file read elsewhere."""

from __future__ import annotations

import builtins
import io
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from exactbox.cli import run
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import load
from exactbox.polytope.errors import ExactboxError, InputError
from tests.importers.onnx_models import AnyArray, build, mlp, save
from tests.source_tree import REPOSITORY

MODELS = sorted((Path(__file__).parents[1] / "models").glob("*/*.onnx"))
SMALL = Limits(tensor_elements=2**16, total_elements=2**18, unrolled_nodes=500)
ROUNDS = 12
SIZES = (0, -1, 1, 2**31, 2**62)
node: Callable[..., onnx.NodeProto] = helper.make_node


def bytes_damaged(chance: random.Random, data: bytes) -> bytes:
    """Flip, cut, or repeat bytes of a file."""
    kind = chance.randrange(3)
    if kind == 0:
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        return bytes(damaged)
    place = chance.randrange(len(data))
    return data[:place] if kind == 1 else data[:place] + data[max(place - 20, 0) :]


def message_damaged(chance: random.Random, data: bytes) -> bytes:
    """Damage the message, not its encoding: names, operators, attributes, shapes, the place of data."""
    model = onnx.load_from_string(data)
    graph = model.graph
    victim = chance.choice(graph.node)
    kind = chance.randrange(8)
    if kind == 0 and victim.input:
        victim.input[chance.randrange(len(victim.input))] = chance.choice([*graph.node[-1].output, "", "nowhere"])
    elif kind == 1:
        victim.op_type = chance.choice(["Loop", "If", "Scan", "Reshape", "Conv", "Resize", "Gemm", "Pad", "Nothing"])
    elif kind == 2 and victim.attribute:
        attribute = chance.choice(victim.attribute)
        attribute.i, attribute.f, attribute.s = chance.choice(SIZES), float("nan"), b"\xff"
        attribute.ints[:] = [chance.choice(SIZES) for _ in attribute.ints]
    elif kind == 3 and graph.initializer:
        tensor = chance.choice(graph.initializer)
        tensor.dims[:] = [chance.choice(SIZES) for _ in range(3)]
    elif kind == 4 and graph.initializer:
        tensor = chance.choice(graph.initializer)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        name = chance.choice(["/etc/hostname", "../elsewhere.bin", "here.bin", "a\0b", ""])
        tensor.external_data.add(key="location", value=name)
    elif kind == 5:
        graph.node.append(victim)
    elif kind == 6:
        del graph.node[chance.randrange(len(graph.node))]
    else:
        dims = graph.input[0].type.tensor_type.shape.dim
        dims.add().dim_value = chance.choice(SIZES)
    return bytes(model.SerializeToString())


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every file that is opened by its path while an import runs."""
    names: list[str] = []
    true_open = io.open

    def recording(file: Any, *args: Any, **kwargs: Any) -> Any:
        names.append(str(file))
        return true_open(file, *args, **kwargs)

    monkeypatch.setattr(io, "open", recording)
    monkeypatch.setattr(builtins, "open", recording)
    return names


@pytest.mark.parametrize("damage", [bytes_damaged, message_damaged], ids=lambda damage: str(damage.__name__))
@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.stem))
def test_damaged_models_give_a_result_or_an_error_of_ours(
    path: Path, damage: Callable[[random.Random, bytes], bytes], tmp_path: Path, opened: list[str]
) -> None:
    chance = random.Random(f"{path.stem} {damage.__name__}")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "here.bin").write_bytes(bytes(64))
    (tmp_path / "elsewhere.bin").write_bytes(bytes(64))
    data = path.read_bytes()
    results: list[str] = []
    opened.clear()
    for _ in range(ROUNDS):
        target = folder / "model.onnx"
        target.write_bytes(damage(chance, data))
        try:
            load(target, limits=SMALL, verify=False)
            results.append("loaded")
        except ExactboxError as error:
            assert str(error)
            results.append(type(error).__name__)
    assert len(results) == ROUNDS
    assert "InternalError" not in results
    assert {name for name in opened if "elsewhere" in name or "hostname" in name} == set()


HUGE = 2**40
BIG = np.array([2**20, 2**20], np.int64)


def one(op: str, shape: tuple[int, ...], constants: dict[str, AnyArray], **attributes: Any) -> onnx.ModelProto:
    """Make a model of one operator over ``x`` and constants."""
    return build([node(op, ["x", *constants], ["y"], "bomb", **attributes)], {"x": shape}, constants=constants)


def filled() -> onnx.ModelProto:
    """Make a constant of 2 to the 40 entries that is added to the input."""
    one_value = numpy_helper.from_array(np.array([1], np.float32))
    make = node("ConstantOfShape", ["big"], ["c"], "bomb", value=one_value)
    return build([make, node("Add", ["x", "c"], ["y"])], {"x": (1, 1)}, constants={"big": BIG})


def endless(turns: int, going: bool) -> onnx.ModelProto:
    """Make a loop of many turns, or of doubling tensors."""
    info = helper.make_tensor_value_info
    grow = node("Identity", ["h"], ["h2"]) if going else node("Concat", ["h", "h"], ["h2"], axis=0)
    body = helper.make_graph(
        [node("Identity", ["c"], ["c2"]), grow], "body",
        [info("i", 7, []), info("c", 9, []), info("h", 1, None)], [info("c2", 9, []), info("h2", 1, None)],
    )  # fmt: skip
    loop = node("Loop", ["turns", "yes", "x"], ["y"], "bomb", body=body)
    return build([loop], {"x": (2,)}, constants={"turns": np.array(turns), "yes": np.array(True)})


def doubled() -> onnx.ModelProto:
    """Make a chain of tiles, each small, together huge."""
    names = ["x", *(f"t{i}" for i in range(40))]
    nodes = [node("Tile", [names[i], "two"], [names[i + 1]], f"tile{i}") for i in range(40)]
    return build([*nodes, node("Relu", [names[-1]], ["y"])], {"x": (2,)}, constants={"two": np.array([2])})


BOMBS = {
    "expand": one("Expand", (1, 1), {"big": BIG}),
    "tile": one("Tile", (1, 1), {"big": BIG}),
    "pad": one("Pad", (1, 1), {"big": np.array([0, 0, 2**20, 2**20])}),
    "pad by reflection": one("Pad", (2,), {"big": np.array([0, HUGE])}, mode="reflect"),
    "resize": build(
        [node("Resize", ["x", "", "", "big"], ["y"], "bomb")], {"x": (1, 1)}, constants={"big": BIG}
    ),
    "constant of shape": filled(),
    "convolution padding": one("Conv", (1, 1, 2), {"w": np.ones((1, 1, 1), np.float32)}, pads=[HUGE, HUGE]),
    "pooling padding": one("AveragePool", (1, 1, 2), {}, kernel_shape=[2], pads=[1, 2**62]),
    "centre crop and pad": one("CenterCropPad", (2,), {"big": np.array([HUGE])}),
    "columns to image": one("Col2Im", (1, 1, 1), {"big": np.array([HUGE]), "block": np.array([1])}),
    "unpooling": one(
        "MaxUnpool", (1, 1, 1), {"at": np.zeros((1, 1, 1), np.int64)}, kernel_shape=[1 << 40], strides=[1]
    ),
    "grid": one("AffineGrid", (1, 2, 3), {"size": np.array([1, 1, 2**20, 2**20])}),
    "many turns": endless(2**60, True),
    "doubling turns": endless(60, False),
    "doubling tiles": doubled(),
    "input without entries": build([node("Relu", ["x"], ["y"])], {"x": (1, HUGE, 0)}),
    "large input": build([node("Relu", ["x"], ["y"])], {"x": (1, HUGE, HUGE)}),
    "outer sum": build(
        [node("Add", ["x", "w"], ["y"], "bomb")], {"x": (2**13, 1)}, constants={"w": np.ones(2**13, np.float32)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_shape_bombs_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExactboxError) as caught:
        load(save(BOMBS[name], tmp_path), verify=False)
    text = str(caught.value)
    assert re.search(r"raise the limit with limits=Limits\(\w+=\d+\)", text) or "do not make" in text


def near(op: str, entries: int) -> onnx.ModelProto:
    """Make a tensor that the default limits just allow, and compute with it."""
    nodes = [node("Expand", ["x", "big"], ["a"]), node(op, ["a"], ["y"])]
    return build(nodes, {"x": (1,)}, constants={"big": np.array([entries])})


def heavy(rows: int, columns: int) -> onnx.ModelProto:
    """Make a product with a matrix that the default limits just allow."""
    weight = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    return build([node("MatMul", ["x", "w"], ["y"])], {"x": (1, rows)}, constants={"w": weight})


ALLOWED = {"relu": near("Relu", 2**23), "neg": near("Neg", 2**23), "product": heavy(2**11, 2**12)}

MEMORY = 2 << 30
"""What an import under the default limits stays below, as README.md says."""

CONFINED = """
import resource, sys
cap = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (2 * cap, 2 * cap))
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from exactbox.importers.onnx_model import load
from exactbox.polytope.errors import ExactboxError
for path in sys.argv[2:]:
    try:
        load(path, verify=False)
        print("loaded", end=" ")
    except ExactboxError as error:
        print(type(error).__name__, end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited as Linux does it")
def test_imports_stay_below_the_stated_memory(tmp_path: Path) -> None:
    """All bombs, and files that the limits just allow, in one process with little memory and time."""
    files = [save(model, tmp_path, f"{i}.onnx") for i, model in enumerate([*BOMBS.values(), *ALLOWED.values()])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(MEMORY), *map(str, files)], cwd=REPOSITORY, env={**os.environ, **threads},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    *results, peak = done.stdout.split()
    assert len(results) == len(files)
    assert set(results[: len(BOMBS)]) <= {"InputError", "LimitError", "UnsupportedModelError"}
    assert set(results[len(BOMBS) :]) == {"loaded"}
    assert int(peak) < MEMORY


OPERATORS = """Add Conv Concat Gather Gemm Loop If MatMul MaxPool Pad Reshape Resize RNN Scan Slice Softmax Split TopK
    Transpose Where Einsum ScatterND Expand SequenceAt GridSample Col2Im ReduceSum Squeeze Tile CumSum
    BatchNormalization""".split()
ATTRIBUTES = """axis axes perm kernel_shape pads strides group mode equation body to alpha keepdims hidden_size
    blocksize value num_outputs dilations batch_dims""".split()
names = st.sampled_from(["x", "a", "b", "c", "w", "i", ""])
numbers = st.integers(-3, 5) | st.sampled_from([2**31, -(2**63), 2**62])
attribute_values = (
    numbers | st.floats(width=32) | st.lists(numbers, max_size=5) | st.lists(st.floats(width=32), max_size=3)
    | st.text(max_size=4) | st.sampled_from(["linear", "ij,jk->ik", "constant"])
)  # fmt: skip


@st.composite
def wild_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Draw nodes of any operators, tensors, attributes and order."""
    nodes: list[onnx.NodeProto] = []
    for _ in range(draw(st.integers(1, 4))):
        made = node(draw(st.sampled_from(OPERATORS)), draw(st.lists(names, max_size=4)), [draw(names.filter(bool))])
        for key, value in draw(st.dictionaries(st.sampled_from(ATTRIBUTES), attribute_values, max_size=3)).items():
            kind = onnx.AttributeProto.INTS if value == [] else None
            made.attribute.append(helper.make_attribute(key, value, attr_type=kind))
        nodes.append(made)
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    constants: dict[str, AnyArray] = {"w": np.ones(draw(st.lists(st.integers(0, 3), max_size=4)), np.float32),
                 "i": np.array(draw(st.lists(st.integers(-3, 5), max_size=4)), np.int64)}  # fmt: skip
    return build(nodes, {"x": shape}, [nodes[-1].output[0]], constants)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wild_graphs())
def test_wild_graphs_give_a_result_or_an_error_of_ours(model: onnx.ModelProto) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = load(save(model, Path(folder)), limits=SMALL, verify=False)
            assert found.program.instructions
        except ExactboxError as error:
            assert str(error)
            assert error.exit_code in (3, 4)


def test_a_raised_limit_lets_a_model_pass(tmp_path: Path) -> None:
    path = save(mlp(sizes=(3, 40, 2)), tmp_path)
    with pytest.raises(InputError, match="expected at most 30"):
        load(path, limits=Limits(tensor_elements=30))
    assert load(path, limits=Limits(tensor_elements=120)).program.output_size == 2


@pytest.mark.parametrize("field", ["location", "node", "tensor"])
def test_names_that_are_no_text_are_refused(field: str, tmp_path: Path) -> None:
    model = mlp()
    tensor = model.graph.initializer[0]
    if field == "location":
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="marker")
    elif field == "node":
        model.graph.node[0].name = "marker"
    else:
        model.graph.output[0].name = model.graph.node[-1].output[0] = "marker"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString().replace(b"marker", b"mark\xff\xfe"))
    with pytest.raises(InputError, match=r"expected (names in UTF-8|an ONNX model)"):
        load(path)


@pytest.mark.parametrize(
    ("op", "more"),
    [("Max", {}), ("Min", {}), ("Sum", {}), ("Mean", {}), ("Concat", {"axis": 0}), ("Einsum", {"equation": "i,i->i"})],
)
def test_an_operand_that_cannot_be_left_out(op: str, more: dict[str, Any], tmp_path: Path) -> None:
    """The runtime reads such an operand all the same, and may end without a word."""
    model = build([node(op, ["x", ""], ["y"], "few", **more)], {"x": (2,)})
    with pytest.raises(ExactboxError, match="input 1 is missing"):
        load(save(model, tmp_path))


def test_the_command_line_raises_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(mlp(sizes=(3, 40, 2)), tmp_path))
    assert run(["show", path, "--limit", "tensor_elements=30"]) == 3
    said = re.search(r"--limit (tensor_elements=\d+)", capsys.readouterr().err)
    assert said is not None
    assert run(["show", path, "--limit", said[1]]) == 0


@pytest.mark.parametrize("text", ["nodes", "nodes=many", "nodes=-1", "nodes=0", "size=5", "=5"])
def test_malformed_limits(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(save(mlp(), tmp_path)), "--limit", text]) == 3
    assert "limit" in capsys.readouterr().err
