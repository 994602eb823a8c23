"""Write, run and describe the ONNX files that the scripts of this folder make.

``python tests/models/model_files.py FOLDER ...`` prints one digest for every ``.onnx`` file below.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
FREE_DIMENSION = 2  # what an open dimension is run with: 1 would hide a batch fixed to one

_NUMPY_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the whole of the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def serialized(model: onnx.ModelProto) -> bytes:
    """Return a model as bytes; its opset imports in order, because skl2onnx takes them from an unordered set."""
    ordered = onnx.ModelProto()
    ordered.CopyFrom(model)
    del ordered.opset_import[:]
    ordered.opset_import.extend(sorted(model.opset_import, key=lambda entry: (entry.domain, entry.version)))
    data: bytes = ordered.SerializeToString(deterministic=True)
    return data


def write_model(path: Path, model: onnx.ModelProto) -> None:
    """Write one ONNX file without external data, after running it once."""
    data = serialized(model)
    run_once(data)
    write_whole(path, data)


def open_session(model: Path | bytes) -> ort.InferenceSession:
    """Open a model in onnxruntime on the CPU with every graph optimisation off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def random_feeds(session: ort.InferenceSession, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Draw one seeded normal array for each float input, open dimensions set to two."""
    generator = np.random.default_rng(seed)
    return {
        entry.name: generator.standard_normal(
            [size if isinstance(size, int) else FREE_DIMENSION for size in entry.shape]
        ).astype(_NUMPY_TYPES[entry.type])
        for entry in session.get_inputs()
    }


def run_once(model: Path | bytes, seed: int = 0) -> dict[str, object]:
    """Run a model on random inputs and return its outputs by name.

    Raises ``ValueError`` when a float output holds a NaN or an infinity.
    """
    session = open_session(model)
    names = [entry.name for entry in session.get_outputs()]
    outputs: dict[str, object] = dict(zip(names, session.run(None, random_feeds(session, seed)), strict=True))
    for name, value in outputs.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            if not np.isfinite(value).all():
                raise ValueError(f"output {name!r}: expected finite numbers, got {value}")
    return outputs


def describe_value(value: onnx.ValueInfoProto) -> str:
    """Write a graph input or output as ``name: type[shape]``, or as the kind that it has."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{value.name}: {kind}"
    tensor = value.type.tensor_type
    sizes = [
        size.dim_param or (str(size.dim_value) if size.HasField("dim_value") else "?") for size in tensor.shape.dim
    ]
    name = onnx.TensorProto.DataType.Name(tensor.elem_type)
    return f"{value.name}: {name}[{', '.join(sizes)}]"


def describe_node(node: onnx.NodeProto) -> str:
    """Write a node as ``op(attribute=value, ...)``, tensors and graphs by their kind only."""
    parts: list[str] = []
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = f"tensor{list(value.dims)}"
        elif isinstance(value, onnx.GraphProto):
            value = f"graph of {[inner.op_type for inner in value.node]}"
        elif isinstance(value, list) and len(value) > 8:
            value = f"{len(value)} values"
        parts.append(f"{attribute.name}={value}")
    prefix = f"{node.domain}:" if node.domain else ""
    return f"{prefix}{node.op_type}({', '.join(parts)})"


def describe(path: Path) -> Iterator[str]:
    """Give the lines that tell what a file holds: versions, inputs, outputs, nodes, oddities."""
    model = onnx.load(path, load_external_data=False)
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    yield f"{path.name}: IR {model.ir_version}; {opsets}; {path.stat().st_size} bytes"
    yield "  in:  " + "; ".join(describe_value(value) for value in model.graph.input)
    yield "  out: " + "; ".join(describe_value(value) for value in model.graph.output)
    yield "  ops: " + " ".join(describe_node(node) for node in model.graph.node)
    external = [tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        yield f"  external: {', '.join(external)}"
    if model.functions:
        yield f"  functions: {[function.name for function in model.functions]}"


def main(folders: list[str]) -> int:
    """Print the digest of every ONNX file in the folders."""
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.onnx")):
            print("\n".join(describe(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
