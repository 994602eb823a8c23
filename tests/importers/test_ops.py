"""Every operator gives the standard's numbers: in every bit where floats are exact, else in the runtime's bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from packaging.version import Version

from exactbox.importers.onnx_model import Model, load
from exactbox.polytope import exact
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, reference, save
from tests.importers.optable import ROWS, Row
from tests.importers.optable_loss import LOSS_ROWS
from tests.importers.optable_rare import MORE_ROWS

REFERENCE_SINCE = {
    "conv_valid": "1.23", "reduce_l1_over_no_axes": "1.20", "scatter_mul_constants": "1.22",
    "scatter_mul_into_constant": "1.22", "scatter_nd_max_entries": "1.23", "top_unsorted_one": "1.23",
}  # fmt: skip
"""The onnx package whose reference implementation is the first that agrees with the standard, where that is no old one.

Under an earlier one, onnxruntime's numbers alone are compared, when the model is loaded.
"""


def judged(row: Row) -> bool:
    """Say whether the installed reference implementation agrees with the standard."""
    return row.reference and Version(onnx.__version__) >= Version(REFERENCE_SINCE.get(row.name, "0"))


def small_points(size: int, seed: int = 3) -> Rationals:
    """Return whole inputs (d, 2), zero among them, that float arithmetic handles without rounding."""
    random = np.random.default_rng(seed)
    values = random.integers(-6, 7, size * 2)
    return Rationals(int_array(values.tolist()).reshape(size, 2))


def feeds_of(model: Model, point: AnyArray) -> dict[str, AnyArray]:
    """Split one input vector among the model's inputs."""
    feeds: dict[str, AnyArray] = {}
    start = 0
    for port in model.program.inputs:
        feeds[port.name] = point[start : start + port.size].reshape(port.shape).astype(port.dtype)
        start += port.size
    return feeds


@pytest.mark.parametrize("row", [*ROWS, *MORE_ROWS, *LOSS_ROWS], ids=str)
def test_operator_has_the_standards_meaning(row: Row, tmp_path: Path) -> None:
    proto = row.model()
    path = save(proto, tmp_path)
    for place in range(row.outputs):
        model = load(path, output=f"out{place}")
        assert model.confirmation.status == ("confirmed" if row.confirmed else "not confirmed")
        points = small_points(model.program.input_size)
        found = exact.forward(model.program, points)
        for column in range(points.shape[1] if judged(row) else 0):
            feeds = feeds_of(model, points.num[:, column].astype(np.float64))
            expected = reference(proto, feeds)[place]
            assert model.program.output.shape == expected.shape
            got = found[:, column].to_float()
            if row.exact:
                assert got.tolist() == expected.astype(np.float64).ravel().tolist()
            else:
                assert np.allclose(got, expected.ravel(), rtol=1e-5, atol=1e-5)
