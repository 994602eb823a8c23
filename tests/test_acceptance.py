"""Real models end to end: certify at random inputs, save, and let the independent checker decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exactbox.certifying import certify, row_count
from exactbox.checking import check
from exactbox.loading import load
from exactbox.polytope.errors import UnsupportedModelError
from tests.shared_models import shared_model

HERE = Path(__file__).parent
ACAS = [f"marabou/acasxu/ACASXU_experimental_v2a_1_{i}.onnx" for i in range(1, 10)]
LAYERS = """add batchnorm cast_int_to_float constant conv dropout dropout_training_mode_false flatten gemm identity
    leakyRelu matmul maxpool relu reshape reshape_with_dimension_inference sigmoid squeeze squeeze_with_axes sub tanh
    transpose
    unsqueeze""".split()
SHARED = [
    *ACAS,
    "marabou/acasxu/ACASXU_experimental_v2a_2_1.onnx",
    "marabou/mnist2x10.onnx",
    "marabou/mnist5x20_leaky_relu.onnx",
    "marabou/conv_mp1.onnx",
    "marabou/cnn_max_mninst3.onnx",
    "marabou/cifar10/cifar_base_kw.onnx",
    "marabou/cifar10/cifar_base_kw_simp.onnx",
    "marabou/KJ_TinyTaxiNet.onnx",
    "marabou/softmax-last-layer.onnx",
    "marabou/multiInput_add.onnx",
    "marabou/oneInput_twoBranches.onnx",
    "marabou/constant_slice_test.onnx",
    "vnncomp2021/cifar10_resnet/onnx/resnet_2b.onnx",
    "vnncomp2021/verivital/Convnet_maxpool.onnx",
    "vnncomp2021/mnistfc/mnist-net_256x2.onnx",
    "vnncomp2022/reach_prob_density/onnx/gcas.onnx",
    "vnncomp2022/rl_benchmarks/onnx/cartpole.onnx",
    "vnncomp2022/tllverifybench/onnx/tllBench_n=2_N=M=8_m=1_instance_0_0.onnx",
    "verix/minwu-cs/mnist-10x2.onnx",
    "verix/minwu-cs/mnist-cnn.onnx",
    "verix/NeuralNetworkVerification/mnist-10x2.onnx",
    *(f"marabou/layer-zoo/{name}.onnx" for name in LAYERS),
]
REFUSED = {
    "marabou/layer-zoo/dropout_training_mode_true.onnx": "random",
    "marabou/mnist2x5_sigmoid.onnx": "Sigmoid",
    "vnncomp2023/vit/onnx/ibp_3_3_8.onnx": "product of two data tensors",
    "vnncomp2024/lsnc/onnx/quadrotor2d_state.onnx": "Sin",
    "vnncomp2023/nn4sys/onnx/pensieve_small_parallel.onnx": "Pow",
}
STEPS = "function_softshrink.dynamo.onnx"
"""This exporter writes a continuous function with the step function Sign."""
OWN = sorted(
    path for folder in ("torch", "sklearn") for path in (HERE / "models" / folder).glob("*.onnx") if path.name != STEPS
)
CHEAP = 1 << 12
"""Rows times inputs up to which facets and distances are certified as well, at the first input."""


def certify_and_check(path: Path, folder: Path) -> None:
    """Certify a model at three random inputs in a box around them, and check every certificate with the model."""
    model = load(path)
    cheap = row_count(model.program) * model.program.input_size <= CHEAP
    rng = np.random.default_rng(7)
    for seed in range(3):
        point = rng.uniform(-1, 1, model.program.input_size).astype(np.float32)
        parts = np.split(point, np.cumsum([port.size for port in model.program.inputs])[:-1])
        inputs = {port.name: part.reshape(port.shape) for port, part in zip(model.program.inputs, parts, strict=True)}
        all_of_it = cheap and seed == 0
        found = certify(model, inputs, box=(-1, 1), minimal=all_of_it, measure=all_of_it, opinion_seconds=0)
        assert found.minimal is None or not found.minimal.undecided
        written = found.save(folder / f"{seed}.cert.json")
        report = check(written[0], path if seed == 0 else None)
        assert report.accepted, report.reason
        assert seed > 0 or "lowered again to this very program" in report.binding


@pytest.mark.parametrize("relative", SHARED)
def test_third_party_models_are_certified_and_checked(relative: str, tmp_path: Path) -> None:
    certify_and_check(shared_model(relative), tmp_path)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_default_exports_are_certified_and_checked(path: Path, tmp_path: Path) -> None:
    certify_and_check(path, tmp_path)


@pytest.mark.parametrize("relative", REFUSED)
def test_models_that_are_not_piecewise_linear_are_refused_by_name(relative: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load(shared_model(relative))
    assert REFUSED[relative] in str(caught.value)
    assert caught.value.exit_code == 4 and caught.value.refusals


def test_an_export_by_steps_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModelError, match=r"Sign .*continuity not shown"):
        load(HERE / "models" / "torch" / STEPS)
