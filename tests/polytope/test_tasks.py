"""Tasks: any cutting gives the regions, witnesses and events of the run that is not cut."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enumeration import Part, Space
from exactbox.polytope.program import Program
from exactbox.polytope.tasks import Keyer, Task, first_task, halves, keyer, work
from tests.nets import BATTERY, mlp, random_mlp
from tests.polytope.test_enumeration import PLANE, quantised

Region = tuple[bytes, tuple[Fraction, ...]]
Cutter = Callable[[Space, Task], list[Task]]

NETS: dict[str, Callable[[], Program]] = {
    **BATTERY,
    "strips that no float lies in": PLANE["strips that no float lies in"],
    "generic": lambda: random_mlp([2, 10, 10, 2], 1),
    "three layers": lambda: random_mlp([3, 5, 5, 4, 2], 2),
    "one layer": lambda: random_mlp([4, 9, 2], 3),
    "low bits": lambda: quantised([2, 10, 10, 6, 1], -2, 2, 4, 5),
}


class Taker:
    """Keeps the regions and events of parts in the order in which they come."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.regions: list[Region] = []
        self.events: dict[int, list[list[int]]] = {layer: [] for layer in range(len(space.layers) + 1)}

    def take(self, part: Part) -> None:
        self.events[part.layer] += part.events.tolist()
        if part.layer == len(self._space.layers):
            count = len(part.cells.filled)
            self.regions += [
                (part.cells.winners[i].tobytes(), self._space.witness(part.cells, i)) for i in range(count)
            ]


def straight(space: Space) -> Taker:
    """Run without tasks."""
    taker = Taker(space)
    for part in space.parts():
        taker.take(part)
    return taker


def cut_up(space: Space, task: Task, taker: Taker, cutter: Cutter) -> int:
    """Work through tasks in order, cutting each as small as ``work`` allows; returns how many there were."""
    pending, count = [task], 0
    while pending:
        pending[:1] = cutter(space, pending[0])
        head = pending.pop(0)
        left = list(work(space, head, taker.take, seconds=0.0))
        assert head.place < min([one.place for one in left], default=head.place._replace(generation=1 << 30))
        pending[:0] = left
        count += 1
    places = [one.place for one in pending]
    assert places == sorted(places)
    return count


def whole(space: Space, task: Task) -> list[Task]:
    return [task]


def thirds(space: Space, task: Task) -> list[Task]:
    return list(halves(space, task, 3))


def elsewhere(space: Space, task: Task) -> list[Task]:
    """Send a task through both ways of writing it down."""
    sent: Task = pickle.loads(pickle.dumps(task))
    return [Task.from_bytes(sent.to_bytes())]


def unit_box(size: int) -> Domain:
    return box([-1] * size, [1] * size)


@pytest.mark.parametrize("cutter", [whole, thirds, elsewhere])
@pytest.mark.parametrize("name", NETS)
def test_any_cutting_gives_the_same(name: str, cutter: Cutter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.polytope.layer_run._STEPS", 5)
    program = NETS[name]()
    space = Space(program, unit_box(program.input_size), recording=True)
    expected, seen = straight(space), Taker(space)
    cut_up(space, first_task(space), seen, cutter)
    assert seen.regions == expected.regions
    assert seen.events == expected.events


@pytest.mark.parametrize("name", ["generic", "three layers", "low bits"])
def test_a_run_of_many_steps_is_cut_where_it_stands(name: str) -> None:
    program = NETS[name]()
    space = Space(program, everything(program.input_size))
    expected, seen = straight(space), Taker(space)
    cut_up(space, first_task(space), seen, thirds)
    assert seen.regions == expected.regions


@pytest.mark.parametrize("name", ["generic", "three layers", "one layer", "no unit", "max over dead units"])
def test_work_for_many(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.polytope.layer_run._STEPS", 40)
    program = NETS[name]()
    space = Space(program, unit_box(program.input_size))
    expected = straight(space)
    found: list[tuple[object, Taker]] = []
    pending = [first_task(space)]
    while pending:
        task, taker = pending.pop(0), Taker(space)
        pending += [piece for one in work(space, task, taker.take, spread=2) for piece in halves(space, one, 2)]
        found.append((task.place, taker))
    found.sort(key=lambda item: item[0])  # type: ignore[arg-type,return-value]
    assert [region for _, taker in found for region in taker.regions] == expected.regions


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 32), steps=st.integers(1, 30), bias=st.booleans())
def test_generated_nets(seed: int, steps: int, bias: bool) -> None:
    program = quantised([2, 5, 4, 1], -2, 2, 2, seed, bias)
    space = Space(program, unit_box(2), recording=True)
    expected, seen = straight(space), Taker(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exactbox.polytope.layer_run._STEPS", steps)
        cut_up(space, first_task(space), seen, thirds)
    assert {key for key, _ in seen.regions} == {key for key, _ in expected.regions}
    assert len(seen.regions) == len(expected.regions)


@settings(max_examples=100, deadline=None)
@given(widths=st.lists(st.integers(1, 40), min_size=0, max_size=30), seed=st.integers(0, 1 << 32))
def test_keys_are_winners_in_order(widths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    packer = Keyer(widths)
    winners = rng.integers(0, np.array(widths, dtype=np.int64), (20, len(widths))).astype(np.int16)
    keys = packer.keys(winners)
    assert np.array_equal(packer.winners(keys), winners)
    order = sorted(range(20), key=lambda i: tuple(winners[i].tolist()))
    assert [keys[i] for i in order] == sorted(keys.tolist())


def test_regions_come_in_the_order_of_their_keys() -> None:
    program = NETS["max over dead units"]()
    space = Space(program, unit_box(2))
    last = [part.cells for part in space.parts() if part.layer == len(space.layers)]
    keys = [key for cells in last for key in keyer(space).keys(cells.winners)]
    assert keys == sorted(set(keys)) and len(keys) > 2


def test_only_the_last_layer_is_dealt_out() -> None:
    space = Space(NETS["generic"](), unit_box(2))
    start = first_task(space)
    assert halves(space, start, 4) == (start,)
    (last,) = [one for one in work(space, start, lambda _: None, spread=1) if one.place.layer == 1]
    pieces = halves(space, last, 4)
    assert [piece.size for piece in pieces] == [last.size * (k + 1) // 4 - last.size * k // 4 for k in range(4)]
    assert [piece.place for piece in pieces] == sorted(piece.place for piece in pieces)


def test_no_code_is_read() -> None:
    space = Space(NETS["generic"](), unit_box(2))
    content = first_task(space).to_bytes()
    for broken in (b"", content[:-30], pickle.dumps([1])):
        with pytest.raises((ValueError, OSError, EOFError, zipfile.BadZipFile)):
            Task.from_bytes(broken)
    target = io.BytesIO()
    np.savez(target, about=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        Task.from_bytes(target.getvalue())


def test_no_unit_is_one_task() -> None:
    space = Space(mlp([([[1, 2]], [0])]), unit_box(2))
    seen = Taker(space)
    assert work(space, first_task(space), seen.take) == () and len(seen.regions) == 1
