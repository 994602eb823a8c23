"""Compile a function with numba where numba is installed; without it the same function runs as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    import numba as _numba
except ImportError:
    _njit: Callable[..., Any] | None = None
else:
    _njit = _numba.njit

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
_INTERNAL: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Function) -> Function:
    """Compile with IEEE semantics (no reordering of floating-point operations), cached on disk between runs.

    Compiled functions allocate nothing, so numba's reference counting (``_nrt``, half of the run time) is left out.
    """
    return function if _njit is None else cast(Function, _njit(**_OPTIONS)(function))


def kernel(function: Function) -> Function:
    """Compile like ``compiled``, to be called from compiled functions only."""
    return function if _njit is None else cast(Function, _njit(**_INTERNAL)(function))


def inlined(function: Function) -> Function:
    """Compile like ``kernel``, into its caller: for what is called from one place with many arrays.

    A call passes each array as its shape, its strides and more, one by one; that took longer than most kernels run.
    """
    return function if _njit is None else cast(Function, _njit(**_INTERNAL, forceinline=True)(function))
