"""Compile a function with numba where numba is installed; without it the same function runs as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    from numba import njit

    AVAILABLE = True
except ImportError:
    AVAILABLE = False


_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
_INTERNAL: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Function) -> Function:
    """Compile with IEEE semantics (no reordering of floating-point operations), cached on disk between runs.

    Compiled functions allocate nothing, so numba's reference counting (``_nrt``, half of the run time) is left out.
    """
    return cast(Function, njit(**_OPTIONS)(function)) if AVAILABLE else function


def kernel(function: Function) -> Function:
    """Compile like ``compiled``, to be called from compiled functions only."""
    return cast(Function, njit(**_INTERNAL)(function)) if AVAILABLE else function
