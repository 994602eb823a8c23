"""The meaning of each operator, one module a family."""

from importlib import import_module

_FAMILIES = (
    "constant", "conv", "elementwise", "head", "linear", "ml", "movement", "normalization", "pool", "reduce",
    "resize", "shape",
)  # fmt: skip


def load_families() -> None:
    """Import every family, which registers its operators."""
    for name in _FAMILIES:
        import_module(f"exactbox.importers.ops.{name}")
