"""onnxruntime as it is used here: quiet, on one thread of the processor, with inner tensors exposed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import onnx

from exactbox.polytope.quiet import silenced

with silenced():  # it warns of graphics cards that it cannot read, whatever level is asked for
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

# Its exceptions have no common base of their own.
RUNTIME_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What the runtime raises where it cannot load or run a file."""

_FATAL = 4


def inference_session(proto: onnx.ModelProto, exposed: Iterable[str], *, optimised: bool) -> Any:
    """Load a model in the runtime.

    Args:
        proto: the model; it is copied.
        exposed: inner tensors to hand out beside the model's own outputs.
        optimised: whether the runtime may rewrite the graph (its default) or runs it node by node.

    Raises:
        ValueError: or another of ``RUNTIME_ERRORS``: the runtime cannot load the model.
    """
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    outputs = {item.name for item in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in exposed if name not in outputs)
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    # Where it falls back to another provider, it prints that on standard output; there is no other here.
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
