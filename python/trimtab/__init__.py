"""The numbers that a Kubernetes cluster computes, and the maintenance that it needs, exactly as upstream.

- :mod:`trimtab.node`: the class of a pod, ``oom_score_adj`` of its containers, who is killed first.
- :mod:`trimtab.sched`: how many nodes the scheduler scores.
- :mod:`trimtab.net`: how many DNS replicas the cluster-proportional-autoscaler wants.
- :mod:`trimtab.etcd`: an etcd that is out of space, rescued; its backups, saved, proven, kept, restored; what fills it.
- :mod:`trimtab.certs`: what certificates say, when they are renewed, what kubeadm does with them, and renewal that
  loses nothing.
- :mod:`trimtab.history`: old objects, which of them may go by their controllers' own rules, and their removal.
- :mod:`trimtab.exceptions`: what can go wrong.

How it reads, everywhere:

- What a function is about comes first, the rest are keywords. ``version=`` is a :class:`KubeVersion` or its text, as
  clusters report it (``"v1.34.2-gke.1"``); ``feature_gates=`` is a dict of booleans, or the text of a
  ``--feature-gates`` flag.
- Manifests are dicts, as ``json.load`` and ``yaml.safe_load`` give them; any mapping will do. They are read and never
  changed.
- Amounts are ``int`` bytes, texts like ``"8Gi"``, or a :class:`Quantity`.
- Answers are plain numbers and texts, or frozen objects with ``==``, ``repr``, pickle and ``to_dict()``.
- A function has the name of its Rust namesake, ``trimtab_node_math::oom::oom_score_adj`` is
  :func:`trimtab.node.oom_score_adj`. Where that name says nothing without its module, the module comes first:
  ``oom::burstable`` is ``oom_burstable``, ``rescue::plan`` is ``rescue_plan``.

>>> import trimtab
>>> pod = {"spec": {"containers": [{"name": "app", "resources": {"requests": {"memory": "4Gi"}}}]}}
>>> trimtab.node.oom_score_adj(pod, "app", memory_capacity="16Gi", version="v1.34.2-gke.1")
750
"""

from importlib.metadata import version as _version

from . import certs, etcd, exceptions, history, net, node, sched
from ._core import KubeVersion, Quantity
from .exceptions import (
    AccessDenied,
    AlreadyExists,
    BrokenFile,
    ClusterError,
    DeadlineExceeded,
    FeatureGateError,
    FileError,
    FileInUse,
    Interrupted,
    InvalidInput,
    NoSpace,
    NotFound,
    StorageFull,
    TlsError,
    TrimtabError,
    Unreachable,
    UnsupportedVersion,
)

__version__ = _version("trimtab")

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "BrokenFile",
    "ClusterError",
    "DeadlineExceeded",
    "FeatureGateError",
    "FileError",
    "FileInUse",
    "Interrupted",
    "InvalidInput",
    "KubeVersion",
    "NoSpace",
    "NotFound",
    "Quantity",
    "StorageFull",
    "TlsError",
    "TrimtabError",
    "Unreachable",
    "UnsupportedVersion",
    "certs",
    "etcd",
    "exceptions",
    "history",
    "net",
    "node",
    "sched",
]
