"""What a kubelet computes: the class of a pod, the ``oom_score_adj`` of its containers, and who is killed first.

The functions that read a pod take it as stored (``form="stored"``, what ``kubectl get -o json`` shows) or as its author
wrote it (``form="written"``); the difference is what the API server makes of a manifest on create, requests out of
limits above all.

>>> from trimtab import node
>>> written = {"metadata": {"name": "web"}, "spec": {"containers": [
...     {"name": "app", "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}}}]}}
>>> node.pod_qos(written, version="1.34", form="written")
'Burstable'
>>> node.oom_score_adj(written, "app", memory_capacity="16Gi", version="1.34", form="written")
750

A kill order of containers, by the largest process of each:

>>> candidates = [node.Candidate("database", oom_score_adj=-997, memory="8Gi"),
...               node.Candidate("app", oom_score_adj=750, memory="3Gi")]
>>> [victim.name for victim in node.kill_order(candidates, domain=node.OomDomain.node("16Gi"), kernel=(6, 12))]
['app', 'database']
"""

from ._core import (
    Candidate,
    ContainerOom,
    OomDomain,
    OomRules,
    Victim,
    compute_qos,
    default_manifest,
    kill_order,
    oom_badness,
    oom_burstable,
    oom_score,
    oom_score_adj,
    oom_score_adjs,
    oom_score_adjs_many,
    pod_qos,
    set_defaults,
)

__all__ = [
    "Candidate",
    "ContainerOom",
    "OomDomain",
    "OomRules",
    "Victim",
    "compute_qos",
    "default_manifest",
    "kill_order",
    "oom_badness",
    "oom_burstable",
    "oom_score",
    "oom_score_adj",
    "oom_score_adjs",
    "oom_score_adjs_many",
    "pod_qos",
    "set_defaults",
]
