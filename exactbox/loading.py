"""Models as the facade gives them: an imported file, and the preprocessing stated in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

from exactbox.columns import by_port, entry_names
from exactbox.csv_files import read_lines
from exactbox.fixing import fixed_texts, opened, parse_fixes, with_fixes
from exactbox.importers.inventory import Inventory, inventory_of
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.onnx_model import Model as ImportedModel
from exactbox.importers.onnx_model import load_file
from exactbox.importers.ports import is_open, label
from exactbox.importers.torch_modules import AnyGiven, as_onnx
from exactbox.inputs import InputRead, fits, read_inputs
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.part import one_of_batch
from exactbox.polytope.program import Port, Program
from exactbox.polytope.simplify import simplify
from exactbox.preprocessing import Preprocessing, in_front, preprocessing
from exactbox.slices import Slice
from exactbox.sources import Given, Table


@dataclass(frozen=True, eq=False)
class Model:
    """An ONNX file lowered to an exact program, with the preprocessing that was stated.

    Args:
        source: what the importer made of the file.
        program: the program that statements are about: the slice and the preprocessing, if any, then the model.
        preprocessing: what is done to raw inputs first, or None.
        class_names: the user's names in the order of the compared outputs, or empty.
        output: the output that was asked for, or None.
        dims: the open dimensions that were fixed.
        fix: inputs, or entries of them, that were fixed, as ``column=value``.
        slice: the line or plane that the program is restricted to, or None; the inputs are then its coordinates.
    """

    source: ImportedModel
    program: Program
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    output: str | None = None
    dims: tuple[tuple[str, int], ...] = ()
    slice: Slice | None = None
    fix: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return brief(self, [repr(self.path), repr(self.program), self.source.confirmation.status])

    @property
    def path(self) -> str:
        """The ONNX file."""
        return self.source.path

    @property
    def pins(self) -> tuple[tuple[int, Fraction], ...]:
        """The coordinates of the input that are fixed, and their values; a slice has coordinates of its own."""
        return () if self.slice is not None else self.source.pins

    @property
    def fixed(self) -> dict[str, str]:
        """The columns that are constants of the program, and their values as text."""
        return parse_fixes(self.fix)

    def read(self, x: object, *, row: int | None = None, exact_input: bool = False) -> InputRead:
        """Read one input point; see ``read_inputs``."""
        return read_inputs(self.program, x, row=row, exact_input=exact_input, fixed=self.fixed)

    @property
    def sha256(self) -> str:
        """The hash of the ONNX file, in hexadecimal."""
        return self.source.sha256

    def input_names(self, columns: Sequence[str] = ()) -> tuple[str, ...]:
        """Return one name an input: a CSV header's, the model's own feature names, or names by position.

        Raises:
            InputError: the header has the model's feature names in another order.
        """
        if self.slice is not None:
            return self.slice.names
        size, own = self.program.input_size, tuple(self.source.feature_names or ())
        if columns and own and set(columns) == set(own) and tuple(columns) != own:
            raise InputError(f"the columns are not in the model's order, which is {', '.join(own)}")
        for names in (columns, own):
            if len(names) == size:
                return tuple(names)
        return entry_names(self.program)

    def first_sample(self) -> Model:
        """Return the model of one sample of a batch that the file fixes; see ``load``.

        Raises:
            InputError: the first axes do not count the same samples, or the samples are not apart.
        """
        names = tuple(f"{port.name}.0" for port in self.source.program.inputs if is_batch(port))
        source, steps = _one_sample(self.source, names), self.preprocessing
        again = None if steps is None else preprocessing(source.program, steps.mean_stated, steps.std_stated)
        program = source.program if again is None else in_front(source.program, again)
        dims = tuple(sorted({**dict(self.dims), **dict.fromkeys(names, 1)}.items()))
        return replace(self, source=source, program=program, preprocessing=again, dims=dims)

    def on(self, cut: Slice) -> Model:
        """Return the model restricted to a line or plane; its inputs are the coordinates.

        Raises:
            InputError: the model is restricted already, or the points have another size than its input.
        """
        if self.slice is not None:
            raise InputError(f"slice: the model is restricted to {self.slice.text} already")
        return replace(self, program=cut.restrict(self.program), slice=cut)


def load(
    path: AnyGiven,
    *,
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    fix: Mapping[str, object] | None = None,
    mean: object = None,
    std: object = None,
    class_names: Iterable[str] | str | Path | Given | None = None,
    verify: bool = True,
    limits: Limits | None = None,
    example: object = None,
    input_shape: Sequence[int] | None = None,
) -> Model:
    """Import an ONNX file as an exact program.

    Args:
        path: the file; or the model itself, as bytes, an ``onnx.ModelProto`` or a ``torch.nn.Module``.
        output: which output to explain; by default the one that decides.
        dims: values for dimensions that the file leaves open; a leading batch dimension is 1. Where the file fixes it,
            ``{"input.0": 1}`` asks for one sample: row 0 of the output as a function of row 0 of the input.
        fix: values for inputs (by name) or entries of them (``X[0,2]``) that become constants: categories, typically.
            Text is read as the input's type says. Numbers are the model's own, behind any ``mean`` and ``std``.
        mean: raw inputs are first mapped to ``(x - mean) / std``, exactly: one number, one a channel, or one an entry.
        std: see ``mean``.
        class_names: names in the order of the outputs, or a text, CSV or JSON file of them.
        verify: compare the program with onnxruntime; a difference is an error, a refusing runtime a warning.
        limits: caps on the size of what is read.
        example: for a ``torch.nn.Module``, one input, at which torch exports it (evaluation mode, TorchScript exporter,
            opset 17) into memory; floats take the type of its parameters.
        input_shape: for a ``torch.nn.Module``, the shape of such an input instead.

    Raises:
        InputError: the file or an option is malformed, or the runtime computes something else.
        UnsupportedModelError: nodes that are not exactly piecewise linear, all of them by name.
    """
    sizes, caps = dict(dims or {}), limits or Limits()
    read = read_onnx(as_onnx(path, example, input_shape), caps)
    batched = sampled(read, sizes)
    declared = {name: size for name, size in sizes.items() if name not in batched}
    file = with_fixes(read, declared, fix)
    source = load_file(file, output=output, dims=declared, verify=verify, limits=caps)
    source = _one_sample(source, batched) if batched else source
    steps = preprocessing(source.program, mean, std)
    if steps is not None and source.pins:
        raise InputError("fix: single entries of an input cannot be fixed together with mean or std")
    program = source.program if steps is None else in_front(source.program, steps)
    names = given_class_names(class_names)
    return Model(source, program, steps, names, output, tuple(sorted(sizes.items())), fix=fixed_texts(file.fixed))


def is_batch(port: Port) -> bool:
    """Whether an input's first axis may count several samples."""
    return len(port.shape) > 1 and port.shape[0] > 1


def fitted(model: Model, given: object, row: int | None = None) -> Model:
    """Return the model of one sample, where the file fixes the size of a batch and one sample is given; else the model.

    Args:
        given: as ``certify`` takes it.
    """
    ports = model.program.inputs
    if model.slice is not None or not any(is_batch(port) for port in ports):
        return model
    tables = by_port(model.program, given, "the array given", row=row, fixed=model.fixed)
    pairs = [pair for pair in zip(tables, ports, strict=True) if is_batch(pair[1])]
    return model.first_sample() if all(_is_one_of_batch(table, port, row) for table, port in pairs) else model


def _is_one_of_batch(table: Table, port: Port, row: int | None) -> bool:
    """Say whether a table holds samples, of which the input takes several at once."""
    values = table.values if row is None or table.values.ndim < 2 else table.row(row).values
    one = replace(port, shape=(1, *port.shape[1:]))
    if fits(values.shape, port) or (values.ndim and fits(values.shape[1:], port)):
        return False
    return fits(values.shape, one) or (values.ndim > 0 and fits(values.shape[1:], one))


def sampled(file: OnnxFile, dims: Mapping[str, int]) -> tuple[str, ...]:
    """Return the fixed first axes, as ``input.0``, of which only one sample is asked for."""
    fixed = {label(item, 0) for item in file.graph.inputs if item.dims and not is_open(item, 0) and len(item.dims) > 1}
    return tuple(name for name, size in dims.items() if name in fixed and size == 1)


def _one_sample(source: ImportedModel, batched: Sequence[str]) -> ImportedModel:
    """Keep the first sample of a batch, and say so."""
    if source.pins:
        raise InputError("fix: single entries of an input cannot be fixed where one sample of a batch is explained")
    inputs = [port for port in source.program.inputs if f"{port.name}.0" in batched]
    program = simplify(one_of_batch(source.program, [port.name for port in inputs]))
    count, names = inputs[0].shape[0], " and ".join(f"'{port.name}'" for port in inputs)
    note = (
        f"one sample of the batch of {count}: row 0 of the output, which reads row 0 of {names} alone, whatever the "
        "other rows hold"
    )
    return replace(source, program=program, notes=(*source.notes, note))


def inventory(
    path: AnyGiven,
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    *,
    fix: Mapping[str, object] | None = None,
    example: object = None,
    input_shape: Sequence[int] | None = None,
) -> Inventory:
    """List what an ONNX file holds; a model that cannot be lowered is listed with the reasons.

    Args:
        output: the output to explain; by default the one that decides.
        dims: sizes for open dimensions, by name.
        fix: see ``load``; as are ``example`` and ``input_shape``.

    Raises:
        InputError: the file is no readable model, or an option does not fit it.
    """
    caps, sizes = limits or Limits(), dict(dims or {})
    return inventory_of(opened(as_onnx(path, example, input_shape), caps, sizes, fix), output, sizes, caps)


def given_class_names(given: object) -> tuple[str, ...]:
    """Return class names that were given: a file of them, names one after the other, or None for no names.

    Raises:
        InputError: a file that does not hold names, or a name that occurs twice.
    """
    if isinstance(given, str | Path | Given):
        return read_class_names(Path(str(given)), given.header if isinstance(given, Given) else None)
    if given is None:
        return ()
    if not isinstance(given, Iterable):
        raise InputError(f"class names: expected names or a file of them, got {type(given).__name__}")
    return _distinct("class names", tuple(str(name) for name in cast("Iterable[object]", given)))


def read_class_names(path: Path, header: bool | None = None) -> tuple[str, ...]:
    """Read class names: a JSON list, a CSV of one line or one column, or text with one name a line.

    Args:
        header: whether the first line of a CSV file is a header; it is not unless that is said, as all are names.

    Raises:
        InputError: not readable, no names, an empty one, or one that occurs twice.
    """
    try:
        names = _parser(path.suffix.lower())(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: not readable as class names: {reason}") from None
    names = names[1:] if header and path.suffix.lower() == ".csv" else names
    if not names:
        raise InputError(f"{path}: expected class names, got none")
    if "" in names:
        raise InputError(f"{path}: class name {names.index('')} is empty")
    return _distinct(str(path), names)


def _distinct(where: str, names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{where}: the class name {twice[0]!r} occurs twice")
    return names


def parse_dims(pairs: Sequence[str]) -> dict[str, int]:
    """Read ``name=value`` pairs.

    Raises:
        InputError: no such pair, or no positive whole number.

    >>> parse_dims(["height=28", "steps=5"])
    {'height': 28, 'steps': 5}
    """
    found: dict[str, int] = {}
    for pair in pairs:
        name, sign, value = pair.rpartition("=")
        if not sign or not name or not value.isdigit() or int(value) == 0:
            raise InputError(f"--dim {pair}: expected NAME=N with a positive whole number, such as length=28")
        found[name] = int(value)
    return found


def parse_limits(pairs: Sequence[str]) -> Limits:
    """Read ``name=value`` pairs that raise (or lower) what a model may cost.

    Raises:
        InputError: no such limit, or no positive whole number.

    >>> parse_limits(["nodes=200000"]).nodes
    200000
    """
    found: dict[str, int] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not value.isdigit():
            raise InputError(f"--limit {pair}: expected NAME=N with a positive whole number, such as nodes=200000")
        found[name] = int(value)
    return Limits().raised(found)


def _parser(ending: str) -> Callable[[Path], tuple[str, ...]]:
    return {".json": _json, ".csv": _csv}.get(ending, _lines)


def _json(path: Path) -> tuple[str, ...]:
    content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, list):
        raise ValueError("expected one JSON list of names")
    entries = cast("list[object]", content)
    if not all(isinstance(entry, str | int) and not isinstance(entry, bool) for entry in entries):
        raise ValueError("expected names (text or whole numbers) in the list")
    return tuple(str(entry) for entry in entries)


def _csv(path: Path) -> tuple[str, ...]:
    lines = read_lines(path, "class names")
    if len(lines) > 1 and len(lines[0].cells) > 1:
        raise ValueError("expected one line or one column of names")
    return tuple(cell.strip() for line in lines for cell in line.cells)


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
