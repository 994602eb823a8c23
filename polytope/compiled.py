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


def compiled(function: Function) -> Function:
    """Compile with IEEE semantics (no reordering of floating-point operations), cached on disk between runs."""
    if not AVAILABLE:
        return function
    return cast(Function, njit(cache=True, error_model="numpy")(function))


def kernel(function: Function) -> Function:
    """Compile like ``compiled``, to be called from compiled functions only."""
    if not AVAILABLE:
        return function
    internal = njit(cache=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast(Function, internal(function))
