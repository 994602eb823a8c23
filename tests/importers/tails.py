"""Models that are a tail alone: their input is the logits."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto

from exactbox.importers.onnx_model import Model, load
from tests.importers.onnx_models import AnyArray, build, save, tensor_info


def import_tail(
    nodes: list[onnx.NodeProto],
    tmp_path: Path,
    *,
    shape: tuple[int, ...] = (1, 3),
    outputs: list[onnx.ValueInfoProto] | list[str] | None = None,
    constants: dict[str, AnyArray] | None = None,
    **options: str,
) -> Model:
    """Import a model whose input is the logits."""
    model = build(nodes, {"z": shape}, outputs or ["y"], constants, opset=int(options.pop("opset", "20")))
    return load(save(model, tmp_path), **options)  # type: ignore[arg-type]


def label_output(name: str = "y", dtype: int = TensorProto.INT64) -> onnx.ValueInfoProto:
    """Declare a label."""
    return tensor_info(name, None, dtype)
