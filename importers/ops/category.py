"""Encoders of categories: evaluated where the column is fixed, refused by name where it stays variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import constant_of
from exactbox.importers.registry import ML, folds, refuses
from exactbox.importers.values import INTEGER_TYPES, Constant
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import float_fraction, from_fractions
from exactbox.polytope.wording import counted

Entry = str | int | Fraction

_ENCODES = "encodes categories of a column that stays variable"
refuses("OneHotEncoder", "LabelEncoder", "CategoryMapper", domain=ML, why=_ENCODES)
refuses("DictVectorizer", domain=ML, why="reads a dictionary, which no program holds")
refuses("StringNormalizer", "StringConcat", "StringSplit", "RegexFullMatch", "TfIdfVectorizer", "Tokenizer",
        why="computes with text")  # fmt: skip
refuses("FeatureHasher", domain=ML, why="computes with text")

_SHOWN = 12


@dataclass(frozen=True)
class Table:
    """What a label encoder does.

    Args:
        keys: distinct.
        values: one a key.
        default: for everything else.
        dtype: element type of the values.
        ruled: whether the encoder says what becomes of everything else, beyond the standard's default.
    """

    keys: tuple[Entry, ...]
    values: tuple[Entry, ...]
    default: Entry
    dtype: str
    ruled: bool = False

    def of(self, call: Call, entry: Entry) -> Entry:
        """Return the value of one key.

        Raises:
            InputError: an unknown key, for which the encoder has no rule.
        """
        if entry in self.keys:
            return self.values[self.keys.index(entry)]
        _unknown(call, entry, self.keys, _text(self.default) if self.ruled else "")
        return self.default


@folds("OneHotEncoder", domain=ML)
def one_hot(call: Call) -> Constant:
    """1 at the category of each entry, along a last axis of its own; floats are cut to whole numbers first."""
    value = call.constant(0, "the column")
    texts, whole = call.node.texts("cats_strings"), call.node.integers("cats_int64s")
    known: Sequence[Entry] | None = texts or whole
    if known is None or (texts and whole) or len(set(known)) < len(known):
        call.refuse("expected one list of distinct categories")
    call.check_size((*value.shape, len(known)))
    found = np.zeros((value.size, len(known)), dtype=np.float32)
    for row, entry in enumerate(_entries(call, value, isinstance(known[0], str))):
        wanted = entry if isinstance(entry, str) else math.trunc(entry)
        places = [i for i, category in enumerate(known) if category == wanted]
        if not places:
            _unknown(call, entry, known, "zeros alone" if _says(call, "zeros") and call.node.flag("zeros", 1) else "")
        found[row, places[:1]] = 1
    return Constant(found.reshape(*value.shape, len(known)), "float32")


@folds("LabelEncoder", domain=ML)
def label_encoding(call: Call) -> Constant:
    """Looks each entry up in a table."""
    value = call.constant(0, "the column")
    table = label_table(call, value.dtype == "string")
    entries = _entries(call, value, isinstance(table.keys[0], str))
    return _constant([table.of(call, entry) for entry in entries], table.dtype, value.shape)


@folds("CategoryMapper", domain=ML)
def category_mapping(call: Call) -> Constant:
    """Turns text into whole numbers, or back."""
    value = call.constant(0, "the column")
    texts, whole = call.node.texts("cats_strings") or (), call.node.integers("cats_int64s") or ()
    default = (call.node.text("default_string", "_Unused"), call.node.integer("default_int64", -1))
    if len(texts) != len(whole) or not texts:
        call.refuse(f"{counted(len(texts), 'text')} for {len(whole)} numbers")
    forward = value.dtype == "string"
    table = _table(call, texts, whole, default[1], "int64", _says(call, "default_int64")) if forward else _table(
        call, whole, texts, default[0], "string", _says(call, "default_string"))  # fmt: skip
    return _constant([table.of(call, entry) for entry in _entries(call, value, forward)], table.dtype, value.shape)


def label_table(call: Call, texts_in: bool = False) -> Table:
    """Read what a label encoder's attributes say.

    Args:
        texts_in: whether it is given text, which decides the direction in the oldest version.
    """
    node = call.node
    classes = node.texts("classes_strings")
    if classes is not None:
        numbers = tuple(range(len(classes)))
        if texts_in:
            number = node.integer("default_int64", -1)
            return _table(call, classes, numbers, number, "int64", _says(call, "default_int64"))
        text = node.text("default_string", "_Unused")
        return _table(call, numbers, classes, text, "string", _says(call, "default_string"))
    keys, _ = _side(call, "keys")
    values, dtype = _side(call, "values")
    given = node.tensor("default_tensor")
    default: Entry = node.integer("default_int64", -1)
    rule = "default_int64"
    if given is not None:
        default, rule = _entries(call, given, dtype == "string")[0], "default_tensor"
    elif dtype == "string":
        default, rule = node.text("default_string", "_Unused"), "default_string"
    elif dtype.startswith("float"):
        default, rule = call.rational("default_float", -0.0), "default_float"
    return _table(call, keys, values, default, dtype, _says(call, rule))


def _says(call: Call, attribute: str) -> bool:
    """Whether an attribute is there, and not merely the standard's default of it."""
    return attribute in call.node.attributes


def _unknown(call: Call, entry: Entry, known: Sequence[Entry], rule: str) -> None:
    """Tell what an encoder says of a category that it does not know.

    Args:
        rule: what it gives for any such, or empty where it does not say.

    Raises:
        InputError: it does not say; the categories it knows are listed.
    """
    if not rule:
        raise InputError(f"{call.node}: expected a category it knows ({_listed(known)}), got {_text(entry)}")
    note = f"{call.node} does not know the category {_text(entry)} (it knows {_listed(known)}); its rule for unknown "
    note += f"ones gives {rule}"
    if note not in call.notes:
        call.notes.append(note)


def _table(
    call: Call, keys: Sequence[Entry], values: Sequence[Entry], default: Entry, dtype: str, ruled: bool = False
) -> Table:
    if len(keys) != len(values) or not keys:
        call.refuse(f"{counted(len(keys), 'key')} for {len(values)} values")
    if len(set(keys)) < len(keys):
        call.refuse("one key occurs twice")
    return Table(tuple(keys), tuple(values), default, dtype, ruled)


def _side(call: Call, side: str) -> tuple[Sequence[Entry], str]:
    """Return the entries of one side of a table, and their element type."""
    node = call.node
    texts, whole = node.texts(f"{side}_strings"), node.integers(f"{side}_int64s")
    floats = node.numbers(f"{side}_floats")
    tensor = node.tensor(f"{side}_tensor")
    if texts is not None:
        return texts, "string"
    if whole is not None:
        return whole, "int64"
    if floats is not None:
        if not all(math.isfinite(value) for value in floats):
            call.refuse(f"{side} that are no real numbers")
        return [float_fraction(value) for value in floats], "float32"
    if tensor is None:
        call.refuse(f"no {side}")
    return _entries(call, tensor, tensor.dtype == "string"), tensor.dtype


def _entries(call: Call, value: Constant, texts: bool) -> list[Entry]:
    """Return the entries of a constant, all text or all numbers."""
    if (value.dtype == "string") != texts:
        call.refuse(f"categories of another type than the column, which is {value.dtype}")
    if texts:
        return [str(entry) for entry in value.plain().ravel().tolist()]
    return list(value.rationals().fractions())


def _constant(values: Sequence[Entry], dtype: str, shape: tuple[int, ...]) -> Constant:
    if dtype == "string":
        return constant_of(np.array(values, dtype=object).reshape(shape), "string")
    numbers = from_fractions([Fraction(value) for value in values], shape)
    if dtype in INTEGER_TYPES:
        return Constant(numbers.num.astype(np.dtype(dtype)).reshape(shape), dtype)
    return Constant(numbers, dtype)


def _listed(known: Sequence[Entry]) -> str:
    shown = ", ".join(_text(entry) for entry in known[:_SHOWN])
    return shown + (", …" if len(known) > _SHOWN else "")


def _text(entry: Entry) -> str:
    return repr(entry) if isinstance(entry, str) else str(entry)
