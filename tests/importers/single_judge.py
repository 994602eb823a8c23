"""What onnxruntime, onnx's reference and the runtime asked in newer words say of a model of one operator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from exactbox.importers.onnx_model import Model, load
from exactbox.importers.session import RUNTIME_ERRORS
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, InternalError, LimitError, UnsupportedModelError
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers.onnx_models import AnyArray
from tests.importers.single import Draw
from tests.importers.single_again import again

UNABLE = (*RUNTIME_ERRORS, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""What the runtime and the reference raise where they have no implementation, in whichever way."""


@dataclass(frozen=True)
class Verdict:
    """What became of a model.

    Args:
        kind: "runtime" (onnxruntime agrees inside the bound), "reference" (onnx's reference agrees, where the runtime
            has no kernel), "again" (the runtime agrees once an old version is said in newer words), "deviation" (a
            known one of the runtime), "refused", "alone" (nobody else runs it), or "false".
        reference: whether the reference agrees; None where it does not run.
    """

    kind: str
    detail: str = ""
    reference: bool | None = None


def judged(draw: Draw, folder: Path) -> Verdict:
    """Import a model and ask onnxruntime and the reference."""
    path = folder / "single.onnx"
    proto = draw.model()
    path.write_bytes(proto.SerializeToString())
    try:
        model = load(path)
    except (UnsupportedModelError, InputError, LimitError) as error:
        return Verdict("refused", str(error).removeprefix(f"{path}: "))
    except InternalError as error:
        return Verdict("false", str(error).removeprefix(f"{path}: "))
    agrees, detail = _by_reference(draw, proto, model)
    if model.confirmation.status == "confirmed":
        return Verdict("runtime", detail, agrees)
    why = model.confirmation.reason
    if model.confirmation.deviates:
        return Verdict("deviation", why, agrees)
    if agrees:
        return Verdict("reference", why, agrees)
    third, more = _by_newer_words(draw, model)
    told = ("where onnxruntime", "a float execution may take another way")
    if not third and any(words in note for note in model.notes for words in told):
        return Verdict("deviation", why, agrees)
    kind = "again" if third else "alone" if agrees is None and third is None else "false"
    return Verdict(kind, f"{detail}; {why}; said again: {more}", agrees)


def _by_newer_words(draw: Draw, model: Model) -> tuple[bool | None, str]:
    try:
        wanted = again(draw)
    except UNABLE as error:
        return None, f"{type(error).__name__}: {error}"[:200]
    return compared(draw, model, wanted)


def _by_reference(draw: Draw, proto: onnx.ModelProto, model: Model) -> tuple[bool | None, str]:
    """Compare with the reference; it is asked about meaning, so its own rounding to float32 is allowed for amply."""
    if not draw.asked:
        return None, "not asked"
    try:
        with np.errstate(all="ignore"):
            found: Any = ReferenceEvaluator(proto).run(None, draw.varying)
    except UNABLE as error:
        return None, f"{type(error).__name__}: {error}"[:200]
    return compared(draw, model, np.asarray(found[0]))


def compared(draw: Draw, model: Model, wanted: AnyArray) -> tuple[bool, str]:
    """Compare the exact output at the model's point with an array."""
    used = [draw.varying[port.name].ravel() for port in model.program.inputs]
    point = np.concatenate([np.zeros(0), *(part.astype(np.float64) for part in used)])
    found = exact.forward(model.program, exact_numbers(point.reshape(-1, 1))).to_float()
    if draw.head:
        return ordered(model, found, wanted)
    if model.program.output.shape != wanted.shape:
        return False, f"shape {model.program.output.shape}, not {wanted.shape}"
    found = found.reshape(wanted.shape)
    room = 1e-3 * (1 + np.abs(found).max(initial=0.0))
    if wanted.dtype.kind not in "fiu" or (np.abs(found - wanted) > room).any() or np.isnan(wanted).any():
        return False, f"{found.ravel()[:8].tolist()}, not {wanted.ravel()[:8].tolist()}"
    return True, ""


def ordered(model: Model, found: AnyArray, wanted: AnyArray) -> tuple[bool, str]:
    """Compare the order of scores, or a choice, with that of the logits."""
    shape = model.program.output.shape
    logits = found.reshape(-1, shape[-1] if shape else 1)
    head = model.program.head
    if head.rule in ("argmax", "argmin"):
        signed = logits if head.rule == "argmax" else -logits
        best = signed.shape[1] - 1 - signed[:, ::-1].argmax(axis=1) if head.tie == "last" else signed.argmax(axis=1)
        good = np.array_equal(best, wanted.ravel())
        return good, "" if good else f"choices {best.tolist()}, reference {wanted.ravel().tolist()}"
    scores = wanted.reshape(logits.shape) if wanted.size == logits.size else None
    good = scores is not None and all(
        (np.diff(row[np.argsort(line, kind="stable")]) >= -1e-6).all() for row, line in zip(scores, logits, strict=True)
    )
    return good, "" if good else f"scores {wanted.ravel().tolist()} of logits {logits.ravel().tolist()}"
