"""Sorting networks: that they sort everything, that a program of them can be certified, and what jumps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

import exactbox
from exactbox.importers.onnx_model import load
from exactbox.importers.ops.sorting import network
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Max
from exactbox.polytope.rational import Rationals, from_fractions
from tests.importers.onnx_models import build, save, tensor_info
from tests.importers.optable import Row, ints


def top(shape: tuple[int, ...], count: int, **attributes: Any) -> onnx.ModelProto:
    """Build a model of the largest entries."""
    return Row("top", "TopK", [shape, ints(count)], attributes, spare=1).model()


def run(values: Sequence[Any], count: int) -> list[Any]:
    """Send values through the network."""
    wires = list(values)
    for highs, lows in network(len(wires), count):
        following = list(wires)
        for i, j in highs:
            following[i] = max(wires[i], wires[j])
        for i, j in lows:
            following[j] = min(wires[i], wires[j])
        wires = following
    return wires[:count]


@pytest.mark.parametrize("length", range(1, 10))
def test_the_network_sorts_all_zeros_and_ones_and_so_everything(length: int) -> None:
    """The zero-one principle (Knuth, volume 3, Theorem 5.3.4Z): a network that sorts these sorts all numbers."""
    for count in range(1, length + 1):
        for bits in itertools.product((0, 1), repeat=length):
            assert run(bits, count) == sorted(bits, reverse=True)[:count]


@given(values=st.lists(st.integers(-5, 5), min_size=1, max_size=70), share=st.fractions(0, 1))
def test_long_networks_sort(values: list[int], share: Fraction) -> None:
    count = max(1, int(share * len(values)))
    assert run(values, count) == sorted(values, reverse=True)[:count]


def test_rounds_and_comparators_are_batchers() -> None:
    """Sixteen entries take ten rounds of 63 comparators."""
    rounds = network(16, 16)
    assert (len(rounds), sum(len(highs) for highs, _ in rounds)) == (10, 63)
    assert all(len({place for pair in highs for place in pair}) == 2 * len(highs) for highs, _ in rounds)


def test_the_second_largest_alone_needs_less() -> None:
    full, some = (sum(len(h) + len(low) for h, low in network(16, count)) for count in (16, 2))
    assert some < full / 1.5


def test_ties_and_negative_zero_points_are_exact(tmp_path: Path) -> None:
    program = load(save(top((1, 4), 3), tmp_path)).program
    third = Fraction(1, 3)
    point = from_fractions([third, 0, third, -third], (4, 1))
    assert exact.forward(program, point).fractions() == [third, third, 0]


def test_one_entry_is_one_maximum(tmp_path: Path) -> None:
    program = load(save(top((1, 9), 1), tmp_path)).program
    assert [item.groups.shape for item in program.instructions if isinstance(item, Max)] == [(1, 9)]


def test_the_regions_of_sorting_three_numbers_are_their_orders(tmp_path: Path) -> None:
    model = exactbox.load(save(top((1, 3), 3), tmp_path))
    found = exactbox.enumerate(model, box=(0, 1), decision="none")
    assert found.complete
    assert len(found.cells) == 6


def test_a_program_of_sorted_entries_is_certified(tmp_path: Path) -> None:
    path = save(top((1, 4), 2), tmp_path)
    point = np.array([[0.125, 0.75, 0.5, 0.25]], dtype=np.float32)
    certified = exactbox.certify(exactbox.load(path), point, box=(0, 1), decision="none")
    certified.save(tmp_path / "top.cert.json")
    assert exactbox.check(tmp_path / "top.cert.json", path).accepted


@pytest.mark.parametrize(("largest", "rule"), [(1, "argmax"), (0, "argmin")])
def test_the_index_of_one_entry_is_a_decision(largest: int, rule: str, tmp_path: Path) -> None:
    nodes = [helper.make_node("TopK", ["z", "k"], ["v", "y"], "top", largest=largest)]
    model = build(nodes, {"z": (1, 4)}, [tensor_info("y", None, onnx.TensorProto.INT64)], {"k": ints(1)})
    found = load(save(model, tmp_path))
    assert (found.program.head.rule, found.program.head.tie, found.program.head.ops) == (rule, "first", ("TopK",))
    assert found.confirmation.status == "confirmed"


def test_the_index_above_probabilities_is_a_decision(tmp_path: Path) -> None:
    nodes = [helper.make_node("Softmax", ["z"], ["p"]), helper.make_node("TopK", ["p", "k"], ["v", "y"], "top")]
    model = build(nodes, {"z": (1, 4)}, [tensor_info("y", None, onnx.TensorProto.INT64)], {"k": ints(1)})
    assert load(save(model, tmp_path)).program.head.ops == ("Softmax", "TopK")


def test_indices_of_several_entries_are_refused_as_data_dependent(tmp_path: Path) -> None:
    nodes = [helper.make_node("TopK", ["z", "k"], ["v", "y"], "top")]
    model = build(nodes, {"z": (1, 4)}, [tensor_info("y", None, onnx.TensorProto.INT64)], {"k": ints(2)})
    with pytest.raises(UnsupportedModelError, match=r"TopK 'top': output 1 \('y'\) is not lowered"):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (top((1, 4), 0), "0 of 4 entries"),
        (top((1, 4), 5), "5 of 4 entries"),
        (top((1, 4), -1), "-1 of 4 entries"),
        (top((1, 4), 2, sorted=0), "no stated order"),
        (top((1, 4), 2, axis=2), "axis 2 does not fit"),
        (top((1, 1 << 12), 2), "length of a sorted axis"),
        (Row("top", "TopK", [(), ints(1)], spare=1).model(), "scalar"),
        (Row("top", "TopK", [(2, 3), ints(1, 2)], spare=1).model(), "expected one number"),
    ],
)
def test_what_names_no_entries_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedModelError, InputError), match=why):
        load(save(model, tmp_path))


def test_whole_number_points_in_other_axes(tmp_path: Path) -> None:
    program = load(save(top((3, 2), 2, axis=0, largest=0), tmp_path)).program
    point = Rationals(np.array([[5], [1], [-2], [7], [3], [0]], dtype=object), 1)
    assert exact.forward(program, point).fractions() == [-2, 0, 3, 1]
