"""What the scheduler computes: how many feasible nodes it looks for before it stops filtering and scores them.

>>> from trimtab import sched
>>> [sched.num_feasible_nodes_to_find(nodes, version="1.34") for nodes in (50, 1_000, 5_000, 15_000)]
[50, 420, 500, 750]

``percentageOfNodesToScore`` of the configuration drives it; what 0 means depends on the release:

>>> [sched.num_feasible_nodes_to_find(5_000, version=version, percentage=0) for version in ("1.13", "1.14")]
[5000, 500]
"""

from ._core import (
    PercentageOfNodesToScore,
    SampleRules,
    adaptive_percentage,
    next_start_node_index,
    num_feasible_nodes_to_find,
)

__all__ = [
    "PercentageOfNodesToScore",
    "SampleRules",
    "adaptive_percentage",
    "next_start_node_index",
    "num_feasible_nodes_to_find",
]
