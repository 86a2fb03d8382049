"""What sizes a cluster's network services: DNS replicas, as the cluster-proportional-autoscaler wants them (CPA 1.10).

>>> from trimtab import net
>>> mode = net.Mode.from_config_map({"kind": "ConfigMap", "data": {"linear":
...     '{"coresPerReplica": 256, "nodesPerReplica": 16, "preventSinglePointFailure": true}'}})
>>> size = net.ClusterSize(schedulable_cores=400, schedulable_nodes=100, total_cores=400, total_nodes=100)
>>> mode.expected_replicas(size)
7
"""

from ._core import ClusterSize, Ladder, LadderParams, LinearParams, Mode

__all__ = ["ClusterSize", "Ladder", "LadderParams", "LinearParams", "Mode"]
