"""The meaning of each operator, one module a family."""

from importlib import import_module

_FAMILIES = (
    "category", "comparison", "constant", "contraction", "control", "conv", "curved", "elementwise", "grid", "head",
    "linear", "loss", "ml", "movement", "normalization", "pool", "quantized", "rearrange", "recurrent", "reduce",
    "resize", "rotation", "sampling", "scatter", "scattering", "sequence", "shape", "sorting", "svm",
)  # fmt: skip


def load_families() -> None:
    """Import every family, which registers its operators."""
    for name in _FAMILIES:
        import_module(f"exactbox.importers.ops.{name}")
