"""The verb check: what the small independent checker says, and whether a model is the one that was certified."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from exactbox.polytope.errors import ExactboxError, InputError
from exactbox.verify import check as checker

if TYPE_CHECKING:
    from exactbox.importers.limits import Limits

_T = TypeVar("_T")

NOT_BOUND = "the binding to an ONNX file was not checked: the certificate speaks of its program file alone"


@dataclass(frozen=True)
class CheckReport:
    """What a check gave.

    Args:
        path: the certificate.
        accepted: whether the evidence proves the statement.
        reason: why not, else empty.
        lines: what is proved, in words.
        program_sha256: the program that it is proved of; empty where nothing is.
        statement_sha256: the statement's hash; empty where nothing is proved.
        binding: whether an ONNX file was lowered to the same program, in words.
        model: that ONNX file, or None.
    """

    path: str
    accepted: bool
    reason: str
    lines: tuple[str, ...]
    program_sha256: str
    statement_sha256: str
    binding: str = NOT_BOUND
    model: str | None = None

    @property
    def exit_code(self) -> int:
        """0 where the certificate is accepted, 1 where it is rejected."""
        return 0 if self.accepted else 1

    def as_dict(self) -> dict[str, Any]:
        """Return the report as data for JSON."""
        return {**vars(self), "lines": list(self.lines), "exit_code": self.exit_code}


@dataclass(frozen=True)
class ModelOptions:
    """How a model is to be lowered again; None means as the certificate says."""

    output: str | None = None
    dims: Mapping[str, int] | None = None
    fix: Mapping[str, object] | None = None
    limits: Limits | None = None
    mean: object = None
    std: object = None
    verify: bool = False


def check(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    program: str | os.PathLike[str] | None = None,
    options: ModelOptions | None = None,
) -> CheckReport:
    """Check a certificate with the small independent checker, and optionally that a model is the one it speaks of.

    Args:
        path: the certificate.
        model: an ONNX file to lower again; its program must be the certificate's, byte for byte.
        program: the program file, where it does not lie beside the certificate.
        options: how to lower the model; by default as the certificate says, which binds just as well because the
            programs are compared.

    Raises:
        InputError: a file is missing or malformed, or the model lowers to another program.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    where = Path(path)
    content = _read(where)
    try:
        report = checker.check(content, lambda name: _read(where.parent / name if program is None else Path(program)))
    except checker.Rejected as error:
        if error.code != 1:
            raise InputError(f"{where}: malformed: {error}") from None
        return CheckReport(str(where), False, str(error), (), "", "")
    found = CheckReport(str(where), True, "", report.lines, report.program_sha256, report.statement_sha256)
    if model is None:
        return found
    binding = bind(str(where), report, Path(model), options or ModelOptions())
    return replace(found, binding=binding, model=str(model))


def bind(where: str, report: checker.Report, model: Path, options: ModelOptions) -> str:
    """Lower a model again and compare its program's hash with the certificate's; returns what was found, in words.

    Raises:
        InputError: another program.
    """
    from exactbox.loading import load
    from exactbox.polytope.canonical import program_hash

    info, sha256 = report.info, report.program_sha256
    loaded = load(
        model,
        output=options.output or _text(info.get("output")),
        dims=options.dims or _dims(info.get("dims")),
        fix=options.fix or _fixes(info.get("fix")),
        limits=options.limits,
        mean=_numbers(where, info.get("mean")) if options.mean is None else options.mean,
        std=_numbers(where, info.get("std")) if options.std is None else options.std,
        verify=options.verify,
    )
    points = info.get("slice")
    if points:
        from exactbox.slices import slice_of_texts

        loaded = loaded.on(_read_info(where, "slice", lambda: slice_of_texts([str(point) for point in points])))
    found = program_hash(loaded.program)
    stated = "".join(f", {name} {value}" for name, value in _given({**info, **_overriding(options)}).items())
    if found != sha256:
        raise InputError(
            f"{where}: speaks of program {sha256}, but {model}{stated} lowers to {found}: another model, other options "
            f"(--output, --mean, --std, --dim, --fix), or another version of the importer"
        )
    return f"{model} (sha256 {loaded.sha256}){stated} was lowered again to this very program"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(checker.MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _given(info: Mapping[str, Any]) -> dict[str, str]:
    """Return the options of the import that a certificate mentions, in words."""
    given = {name: _shown(info[name]) for name in ("output", "dims", "fix", "mean", "std") if info.get(name)}
    points = info.get("slice")
    return {**given, "restricted to": f"the slice through its {len(points)} recorded points"} if points else given


def _overriding(options: ModelOptions) -> dict[str, object]:
    """Return the options that are taken instead of the certificate's, as it would write them."""
    pairs = {"dims": options.dims, "fix": options.fix}
    listed = {name: [f"{key}={value}" for key, value in some.items()] for name, some in pairs.items() if some}
    single = {"output": options.output, "mean": options.mean, "std": options.std}
    return {**listed, **{name: value for name, value in single.items() if value is not None}}


def _shown(value: object) -> str:
    entries: Sequence[object] = value if isinstance(value, list) else [value]
    return ", ".join(str(entry)[:60] for entry in entries[:4]) + (", …" if len(entries) > 4 else "")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _dims(value: object) -> dict[str, int]:
    from exactbox.loading import parse_dims

    return parse_dims([str(entry) for entry in value]) if isinstance(value, list) else {}


def _fixes(value: object) -> dict[str, str]:
    from exactbox.fixing import parse_fixes

    return parse_fixes([str(entry) for entry in value]) if isinstance(value, list) else {}


def _numbers(where: str, value: object) -> list[Fraction] | None:
    from exactbox.polytope.rational import parse_number

    if not isinstance(value, list) or not value:
        return None
    return _read_info(where, "preprocessing", lambda: [parse_number(str(entry)) for entry in value])


def _read_info(where: str, what: str, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except ExactboxError as error:
        raise InputError(f"{where}: the info about the {what} is no list of numbers: {error}") from None
