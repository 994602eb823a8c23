"""The dual graph of an enumeration: a node a region, an edge where two regions share a facet."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from exactbox.polytope.errors import InputError

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

MOST_FOR_DIAMETER = 2000
"""The diameter takes a search from each node; beyond so many it is not computed unless asked for."""

Lists = Sequence[Sequence[int]]


@dataclass(frozen=True)
class GraphStatistics:
    """What the dual graph looks like.

    Args:
        nodes: the number of regions.
        edges: the number of pairs that share a facet.
        degrees: for each number of neighbours, how many regions have it, ascending.
        components: connected components; 1 for all regions of a convex domain.
        bipartite: whether two colours are enough for neighbours to differ.
        diameter: the largest distance within a component, None where it was not computed.
    """

    nodes: int
    edges: int
    degrees: dict[int, int]
    components: int
    bipartite: bool
    diameter: int | None

    @property
    def mean_degree(self) -> Fraction | None:
        """The mean number of neighbours, None without a region."""
        return Fraction(2 * self.edges, self.nodes) if self.nodes else None


def dual_graph(found: Enumerated) -> Any:
    """Return the dual graph as a ``networkx.Graph``.

    Nodes are the numbers of the regions, with the attributes ``witness`` (floats), ``facets``, ``linear_region``,
    ``class_at_witness`` where something is decided, and the exact ``volume`` where regions have one. Edges have none.

    Raises:
        InputError: networkx is not installed, or neighbours were not asked for.
    """
    borders, facets = found.borders, found.facet_counts
    networkx = require_networkx()
    graph = networkx.Graph()
    volumes = found.volumes() if found.has_shapes and found.domain.domain.is_axis_aligned else None
    groups = {i: k for k, group in enumerate(found.linear_regions) for i in group}
    for i, cell in enumerate(found.cells):
        witness = tuple(cell.witness.to_float().tolist())
        graph.add_node(i, witness=witness, facets=facets[i], linear_region=groups[i])
        if found.classes:
            graph.nodes[i]["class_at_witness"] = found.classes[i]
        if volumes is not None:
            graph.nodes[i]["volume"] = volumes[i]
    graph.add_edges_from(borders)
    return graph


def require_networkx() -> Any:
    """Return networkx.

    Raises:
        InputError: it is not installed; the message says how to get it.
    """
    try:
        import networkx
    except ModuleNotFoundError:
        raise InputError("a graph needs networkx, which is not installed: pip install 'exactbox[graph]'") from None
    return networkx


def graph_statistics(neighbors: Lists, *, diameter: bool | None = None) -> GraphStatistics:
    """Measure a graph given by the neighbours of each node.

    Args:
        diameter: whether to compute it; by default for at most ``MOST_FOR_DIAMETER`` nodes.

    >>> graph_statistics([[1], [0, 2], [1]])
    GraphStatistics(nodes=3, edges=2, degrees={1: 2, 2: 1}, components=1, bipartite=True, diameter=2)
    """
    degrees = Counter(map(len, neighbors))
    level = [-1] * len(neighbors)
    components = 0
    for start in range(len(neighbors)):
        if level[start] < 0:
            components += 1
            _spread(neighbors, start, level)
    bipartite = all((level[i] - level[j]) % 2 for i, own in enumerate(neighbors) for j in own)
    wanted = len(neighbors) <= MOST_FOR_DIAMETER if diameter is None else diameter
    starts = range(len(neighbors) if wanted else 0)
    longest = max((_spread(neighbors, start, [-1] * len(neighbors)) for start in starts), default=0)
    return GraphStatistics(
        len(neighbors), sum(map(len, neighbors)) // 2, dict(sorted(degrees.items())), components, bipartite,
        longest if wanted else None,
    )


def _spread(neighbors: Lists, start: int, level: list[int]) -> int:
    """Write the distance from a node to all that it reaches; returns the largest (breadth-first search)."""
    level[start] = 0
    queue = deque([start])
    here = start
    while queue:
        here = queue.popleft()
        for other in neighbors[here]:
            if level[other] < 0:
                level[other] = level[here] + 1
                queue.append(other)
    return level[here]
