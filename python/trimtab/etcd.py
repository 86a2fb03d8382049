"""Maintenance of a live etcd: observe, plan, apply. Today the rescue from ``mvcc: database space exceeded``.

On a real cluster::

    cluster = etcd.Etcd(["https://10.0.0.1:2379"], ca=Path("ca.crt"), cert=Path("client.crt"), key=Path("client.key"))
    seen = cluster.observe()
    plan = etcd.rescue_plan(seen, compact_to="head")
    print(plan)
    report = plan.apply(cluster, progress=print)
    print(report)

Planning is pure, so it can be tried on an observation that was written by hand:

>>> from trimtab import etcd
>>> print(etcd.rescue_plan(etcd.example_healthy()))
plan: rescue of etcd cluster cdf818194e3a8c32
  nothing to do
  held back: cluster: not out of space: no NOSPACE alarm, the fullest database is at 9 % of its quota
<BLANKLINE>

``Etcd.observe`` and ``Plan.apply`` block. They release the interpreter's lock, answer Ctrl-C within a fraction of a
second (in the main thread, where Python handles signals), and may be ended at any moment: what was begun on a member
goes on there, and the next run, with the saved plan (:meth:`Plan.to_json`) or a new one, ends the same.
"""

from ._core import (
    ClusterSeen,
    Etcd,
    Event,
    Held,
    MemberSeen,
    MemberStatus,
    Notice,
    Plan,
    Report,
    Reported,
    Step,
    example_healthy,
    example_out_of_space,
    rescue_plan,
)

__all__ = [
    "ClusterSeen",
    "Etcd",
    "Event",
    "Held",
    "MemberSeen",
    "MemberStatus",
    "Notice",
    "Plan",
    "Report",
    "Reported",
    "Step",
    "example_healthy",
    "example_out_of_space",
    "rescue_plan",
]
