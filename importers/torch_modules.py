"""Takes models as Python holds them: a path, bytes, a message, or a torch module, which torch exports into memory."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import onnx

from exactbox.polytope.errors import InputError

OPSET = 17


@runtime_checkable
class TorchModule(Protocol):
    """What tells a ``torch.nn.Module`` from a path, without torch."""

    training: bool
    forward: Callable[..., Any]

    def state_dict(self) -> Any:
        """Return the parameters and buffers by name."""
        ...

    def modules(self) -> Iterator[Any]:
        """Yield the module and those inside."""
        ...


Given = str | os.PathLike[str] | bytes | onnx.ModelProto
AnyGiven = Given | TorchModule


def as_onnx(given: AnyGiven, example: object = None, input_shape: Sequence[int] | None = None) -> str | bytes:
    """Return the path of a model, or the bytes of one in memory.

    A torch module is exported by torch's own TorchScript exporter, in evaluation mode, which is left as it was. What
    is then explained is the exported model, as traced at the example.

    Args:
        example: for a torch module, one input: an array or a tensor. Floats take the type of its parameters.
        input_shape: for a torch module, the shape of such an input instead.

    Raises:
        InputError: no kind of model, an example without a module, a module without one, or a refusing exporter.
    """
    if isinstance(given, TorchModule):
        return _exported(given, example, input_shape)
    if example is not None or input_shape is not None:
        name = "example" if example is not None else "input_shape"
        raise InputError(f"{name}: is for a torch.nn.Module; {_kind(given)} states the shape of its input itself")
    if isinstance(given, onnx.ModelProto):
        return bytes(given.SerializeToString())
    if isinstance(given, str | bytes):
        return given
    stated: Any = given  # a caller without types may hand in anything
    if isinstance(stated, os.PathLike):
        return os.fsdecode(stated)
    expected = "the path of an ONNX file, its bytes, an onnx.ModelProto or a torch.nn.Module"
    raise InputError(f"model: expected {expected}, got {type(given).__name__}")


def _kind(given: object) -> str:
    return "an ONNX file" if isinstance(given, str | os.PathLike) else "an ONNX model"


def _exported(module: TorchModule, example: object, input_shape: Sequence[int] | None) -> bytes:
    name = type(module).__name__
    torch: Any = sys.modules.get("torch")  # a module exists only where torch was imported
    if torch is None or not isinstance(module, torch.nn.Module):
        why = "torch is not imported here" if torch is None else "it is none of torch's"
        raise InputError(f"model: {name} looks like a torch.nn.Module, but {why}: give the path of an ONNX file")
    if (example is None) == (input_shape is None):
        if example is not None:
            raise InputError("example: give one of example and input_shape")
        raise InputError(
            f"model: a torch.nn.Module ({name}) does not state the shape of its input: give example=, an input, or "
            "input_shape=, such as (1, 4); where a function takes neither, give it what exactbox.load returns"
        )
    buffer = io.BytesIO()
    try:
        tensor = _example(torch, module, example, input_shape)
        with _evaluating(module), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about this exporter; the tracer's own stay
            torch.onnx.export(module, (tensor,), buffer, opset_version=OPSET, dynamo=False, input_names=["input"])
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(f"model: torch does not export {name} at this example: {reason}") from None
    return buffer.getvalue()


def _example(torch: Any, module: Any, example: object, input_shape: Sequence[int] | None) -> Any:
    """Return the tensor that the module is traced at, of the type and on the device of its parameters."""
    own = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(0))
    if input_shape is not None:
        return torch.zeros(tuple(input_shape), dtype=own.dtype, device=own.device)
    tensor: Any = example if isinstance(example, torch.Tensor) else torch.as_tensor(np.asarray(example))
    return tensor.to(own.device, own.dtype) if tensor.is_floating_point() else tensor.to(own.device)


@contextmanager
def _evaluating(module: TorchModule) -> Generator[None]:
    """Put a module into evaluation mode inside, each part of it back into its own afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, mode in modes:
            part.training = mode
