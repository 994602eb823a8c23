"""The verb check: what the small independent checker says, and whether a model is the one that was certified."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from exactbox.polytope.errors import ExactboxError, InputError, InternalError
from exactbox.polytope.wording import spelled
from exactbox.verify import check as checker

if TYPE_CHECKING:
    from exactbox.importers.limits import Limits
    from exactbox.loading import Model

_T = TypeVar("_T")

NOT_THIS = "nothing is said of this model: the certificate speaks of another program"
_LONG = 60
"""Characters of one option that are shown."""
_MOST = 4
"""Options of a kind that are shown."""

NOT_BOUND = "the binding to an ONNX file was not checked: the certificate speaks of its program file alone"


@dataclass(frozen=True)
class CheckReport:
    """What a check gave.

    Args:
        path: the certificate.
        accepted: whether the evidence proves the statement, and, where a model is given, of that model's program.
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

    @property
    def given(self) -> bool:
        """Whether any option is to be taken instead of the certificate's."""
        return any(value is not None for value in (self.output, self.mean, self.std)) or bool(self.dims or self.fix)


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
        InputError: a file is missing or malformed.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    where = Path(path)
    content = _read(where)
    try:
        report = checker.check(content, lambda name: _read(where.parent / name if program is None else Path(program)))
    except checker.Rejected as error:
        if error.code == 5:
            raise InternalError(f"exactbox is not installed completely: {error}") from None
        if error.code == 3:
            raise InputError(f"{where}: {error.verdict}: {error}") from None
        return CheckReport(str(where), False, str(error), (), "", "")
    found = CheckReport(str(where), True, "", report.lines, report.program_sha256, report.statement_sha256)
    if model is None:
        return found
    binding = bind(str(where), report, Path(model), options or ModelOptions())
    if not binding.same:
        return CheckReport(str(where), False, binding.text, (), "", "", NOT_THIS, str(model))
    return replace(found, binding=binding.text, model=str(model))


def bind(where: str, report: checker.Report, model: Path, options: ModelOptions) -> Binding:
    """Lower a model again and compare its program's hash with the certificate's.

    Options that are not given are those that the certificate records; what is said of them is what was applied.

    Raises:
        InputError: no readable model, or options that are malformed or do not fit it.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    from exactbox.loading import load
    from exactbox.polytope.canonical import program_hash
    from exactbox.slices import slice_of_texts

    recorded = Recorded(where, report.info)
    points, wanted = recorded.read("slice", slice_of_texts), recorded.completing(options)
    try:
        loaded = load(
            model,
            output=wanted.output,
            dims=wanted.dims,
            fix=wanted.fix,
            limits=wanted.limits,
            mean=wanted.mean,
            std=wanted.std,
            verify=wanted.verify,
        )
        loaded = loaded if points is None else loaded.on(points)
    except InputError as error:
        if options.given or not recorded.used or not _readable(model, options):
            raise
        return Binding(False, f"it speaks of another model: lowered as it records, {model} gives: {error}")
    found, stated = program_hash(loaded.program), _applied(loaded)
    if found != report.program_sha256:
        return Binding(
            False,
            f"it speaks of program {report.program_sha256}, but {model}{stated} lowers to {found}: another model, "
            f"other options ({spelled('output, mean, std, dims, fix', '--output, --mean, --std, --dim, --fix')}), or "
            f"another version of the importer",
        )
    return Binding(True, f"{model} (sha256 {loaded.sha256}){stated} was lowered again to this very program")


@dataclass(frozen=True)
class Binding:
    """Whether a model is the one that a certificate speaks of, and why, in words."""

    same: bool
    text: str


@dataclass(frozen=True)
class Recorded:
    """The options of the import as a certificate records them, beside its statement: nothing there is proved.

    Args:
        where: the certificate.
        info: texts and lists of texts.
    """

    where: str
    info: Mapping[str, Any]

    @property
    def used(self) -> bool:
        """Whether any option is recorded."""
        return any(self.info.get(key) for key in ("output", "dims", "fix", "mean", "std", "slice"))

    def completing(self, given: ModelOptions) -> ModelOptions:
        """Return the options that are given, and where one is not, what is recorded.

        Raises:
            InputError: an entry means nothing.
        """
        return replace(
            given,
            output=given.output or self.text("output"),
            dims=given.dims or self.read("dims", _dims),
            fix=given.fix or self.read("fix", _fixes),
            mean=self.read("mean", _numbers) if given.mean is None else given.mean,
            std=self.read("std", _numbers) if given.std is None else given.std,
        )

    def text(self, key: str) -> str | None:
        """Return a text, None where there is none.

        Raises:
            InputError: it is a list.
        """
        value = self.info.get(key)
        if not value:
            return None
        if not isinstance(value, str):
            raise InputError(f"{self.where}: info: {key}: expected a text, got a list")
        return value

    def read(self, key: str, parse: Callable[[list[str]], _T]) -> _T | None:
        """Return what a list of texts means, None where there is none.

        Raises:
            InputError: it is a text, or means nothing.
        """
        value = self.info.get(key)
        if not value:
            return None
        if not isinstance(value, list):
            raise InputError(f"{self.where}: info: {key}: expected a list of texts, got the text {str(value)[:40]!r}")
        try:
            return parse(cast("list[str]", value))
        except ExactboxError as error:
            raise InputError(f"{self.where}: info: {key}: {error}") from None


def _readable(model: Path, options: ModelOptions) -> bool:
    """Say whether a file is a model at all."""
    from exactbox.importers.limits import Limits
    from exactbox.importers.onnx_file import read_onnx

    try:
        read_onnx(model, options.limits or Limits())
    except InputError:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(checker.MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _applied(loaded: Model) -> str:
    """Return the options under which a model was lowered, in words."""
    steps, points = loaded.preprocessing, loaded.slice
    every = {
        "output": [loaded.output] if loaded.output else [],
        "dims": [f"{name}={size}" for name, size in loaded.dims],
        "fix": loaded.fix,
        "mean": [] if steps is None else [_number(value) for value in steps.mean_stated],
        "std": [] if steps is None else [_number(value) for value in steps.std_stated],
    }
    text = "".join(f", {name} {_listed(entries)}" for name, entries in every.items() if entries)
    if points is None:
        return text
    return f"{text}, restricted to the slice through its {len(points.points)} recorded points"


def _listed(entries: Sequence[str]) -> str:
    shown = ", ".join(entry if len(entry) <= _LONG else f"{entry[:_LONG]}…" for entry in entries[:_MOST])
    return shown if len(entries) <= _MOST else f"{shown}, … ({len(entries)} in all)"


def _number(value: Fraction) -> str:
    from exactbox.rounding import decimal_text, exact_text

    text = exact_text(value)
    return text if len(text) <= _LONG else f"about {decimal_text(value, 15)}"


def _dims(texts: list[str]) -> dict[str, int]:
    from exactbox.loading import parse_dims

    return parse_dims(texts)


def _fixes(texts: list[str]) -> dict[str, str]:
    from exactbox.fixing import parse_fixes

    return parse_fixes(texts)


def _numbers(texts: list[str]) -> list[Fraction]:
    from exactbox.polytope.rational import parse_number

    return [parse_number(text) for text in texts]
