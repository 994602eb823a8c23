"""The dual graph: networkx's own statistics agree, attributes are exact, and convex domains are connected."""

from __future__ import annotations

import builtins
import sys
from fractions import Fraction
from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.dual_graph import MOST_FOR_DIAMETER, GraphStatistics, dual_graph, graph_statistics
from exactbox.polytope.domain import everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Max, Port, Program
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


def slow_statistics(graph: Any) -> GraphStatistics:
    """Ask networkx."""
    parts = [graph.subgraph(nodes) for nodes in networkx.connected_components(graph)]
    degrees: dict[int, int] = {}
    for _, degree in graph.degree:
        degrees[degree] = degrees.get(degree, 0) + 1
    longest = max((networkx.diameter(part) for part in parts), default=0)
    return GraphStatistics(
        graph.number_of_nodes(), graph.number_of_edges(), dict(sorted(degrees.items())), len(parts),
        networkx.is_bipartite(graph), longest,
    )


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str, bounded: bool) -> None:
    program = BATTERY[name]()
    found = enumerated(program, None if bounded else everything(program.input_size), neighbors=True)
    statistics = graph_statistics(found.neighbors)
    assert statistics == slow_statistics(found.graph())
    assert statistics.components == 1


@settings(max_examples=25, deadline=None)
@given(program=programs())
def test_generated_degenerate_nets(program: Program) -> None:
    found = enumerated(program, neighbors=True)
    statistics = graph_statistics(found.neighbors)
    assert statistics == slow_statistics(dual_graph(found)) and statistics.components == 1
    assert statistics.mean_degree == Fraction(2 * statistics.edges, statistics.nodes)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_graph(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 8))
    graph = networkx.Graph()
    graph.add_nodes_from(range(size))
    ends = st.integers(0, max(size - 1, 0))
    graph.add_edges_from((i, j) for i, j in data.draw(st.lists(st.tuples(ends, ends))) if size and i != j)
    lists = [sorted(graph.neighbors(i)) for i in range(size)]
    assert graph_statistics(lists) == slow_statistics(graph)


def test_attributes_of_nodes() -> None:
    found = enumerated(random_mlp([2, 5, 4, 2], 1), neighbors=True)
    graph = found.graph()
    assert sorted(graph.nodes) == list(range(len(found))) and set(graph.edges) == set(found.borders)
    for i, node in graph.nodes(data=True):
        assert node["witness"] == tuple(found.cells[i].witness.to_float())
        assert (node["facets"], node["class_at_witness"]) == (found.facet_counts[i], found.classes[i])
        assert node["volume"] == found.volumes()[i] and i in found.linear_regions[node["linear_region"]]
    assert all(not data for _, _, data in graph.edges(data=True))
    assert all(type(value) is float for value in graph.nodes[0]["witness"])


def test_attributes_that_there_are_not() -> None:
    found = enumerated(random_mlp([2, 4, 2], 1), everything(2), neighbors=True, decision="none")
    assert set(found.graph().nodes[0]) == {"witness", "facets", "linear_region"}


def test_neighbours_must_be_asked_for() -> None:
    with pytest.raises(InputError, match="neighbors=True"):
        enumerated(random_mlp([2, 4, 2], 1)).graph()


def test_without_networkx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = enumerated(random_mlp([2, 4, 2], 1), neighbors=True)
    plain = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "networkx":
            raise ModuleNotFoundError("No module named 'networkx'")
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "networkx")
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"pip install 'exactbox\[graph\]'"):
        found.graph()


def test_a_diameter_of_many_nodes_is_left_out() -> None:
    count = MOST_FOR_DIAMETER + 1
    path = [[j for j in (i - 1, i + 1) if 0 <= j < count] for i in range(count)]
    assert graph_statistics(path).diameter is None
    assert graph_statistics([*path[:-2], [count - 3]], diameter=True).diameter == count - 2
    assert graph_statistics([]) == GraphStatistics(0, 0, {}, 0, True, 0)
    assert graph_statistics([]).mean_degree is None


def test_a_max_of_three_makes_a_triangle() -> None:
    first = mlp([([[1, 0], [0, 1], [-1, -1]], [0, 0, 0])])
    top = Max(2, np.array([[0, 1, 2]], dtype=np.int64))
    program = Program(first.inputs, (*first.instructions, top), Port("y", (1, 1)))
    assert graph_statistics(enumerated(program, neighbors=True).neighbors) == GraphStatistics(3, 3, {2: 3}, 1, False, 1)
