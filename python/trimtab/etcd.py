"""Maintenance of a live etcd, and its backups: observe, plan, apply.

The rescue from ``mvcc: database space exceeded``::

    cluster = etcd.Etcd(["https://10.0.0.1:2379"], ca=Path("ca.crt"), cert=Path("client.crt"), key=Path("client.key"))
    seen = cluster.observe()
    plan = etcd.rescue_plan(seen, compact_to="head")
    print(plan)
    report = plan.apply(cluster, progress=print)
    print(report)

A backup that is proven the moment it is made, put into a bucket, and what may go there::

    plan = etcd.save_plan(cluster.observe(), directory="/var/backups/etcd", now=datetime.now(UTC))
    print(plan.apply(cluster, progress=print))
    manifest = etcd.Store.directory("/var/backups/etcd").list().verified[-1]
    store = etcd.Store.s3("backups", prefix="etcd")
    store.put(f"/var/backups/etcd/{manifest.name}", manifest, compression="zstd")
    catalog, now = store.list(), datetime.now(UTC)  # taken anew: before the save, the backup was in the future
    print(*catalog.findings(now=now), sep="\\n")
    print(etcd.retention_plan(catalog, now=now).apply(store))

A file without a server: is it sound, what fills it, and a new cluster of it::

    print(etcd.verify("snapshot.db").status)
    pandas.DataFrame(etcd.keyspace("snapshot.db").resources)
    seen = etcd.restore_observe("snapshot.db")
    plan = etcd.restore_plan(seen, member="m0", initial_cluster="m0=https://10.0.0.1:2380", initial_cluster_token="new")
    plan.apply("snapshot.db", "/var/lib/etcd")

Planning is pure, so it can be tried on an observation that was written by hand:

>>> from trimtab import etcd
>>> print(etcd.rescue_plan(etcd.example_healthy()))
plan: rescue of etcd cluster cdf818194e3a8c32
  nothing to do
  held back: cluster: not out of space: no NOSPACE alarm, the fullest database is at 9 % of its quota
<BLANKLINE>

Whatever takes a ``progress`` callback blocks. It releases the interpreter's lock, answers Ctrl-C within a fraction of a
second (in the main thread, where Python handles signals), and may be ended at any moment: what was begun on a member
goes on there, and the next run, with the saved plan (:meth:`Plan.to_json`) or a new one, ends the same; of a file that
was not finished nothing is left.
"""

from ._core import (
    BackupFinding,
    Catalog,
    ClusterSeen,
    Etcd,
    Event,
    HashKv,
    Held,
    KeyspaceReport,
    Manifest,
    MemberSeen,
    MemberStatus,
    Notice,
    Plan,
    Report,
    Reported,
    Restored,
    RestorePlan,
    RestoreSeen,
    RetentionEvent,
    RetentionHeld,
    RetentionNotice,
    RetentionPlan,
    RetentionReport,
    RetentionReported,
    RetentionStep,
    SaveEvent,
    SaveHeld,
    SaveNotice,
    SavePlan,
    SaveReport,
    SaveReported,
    SaveStep,
    Status,
    Step,
    Store,
    Verification,
    Verified,
    example_catalog,
    example_healthy,
    example_manifest,
    example_out_of_space,
    example_snapshot,
    hash_kv,
    keyspace,
    rescue_plan,
    restore_observe,
    restore_plan,
    retention_plan,
    save_plan,
    verify,
)

__all__ = [
    "BackupFinding",
    "Catalog",
    "ClusterSeen",
    "Etcd",
    "Event",
    "HashKv",
    "Held",
    "KeyspaceReport",
    "Manifest",
    "MemberSeen",
    "MemberStatus",
    "Notice",
    "Plan",
    "Report",
    "Reported",
    "RestorePlan",
    "RestoreSeen",
    "Restored",
    "RetentionEvent",
    "RetentionHeld",
    "RetentionNotice",
    "RetentionPlan",
    "RetentionReport",
    "RetentionReported",
    "RetentionStep",
    "SaveEvent",
    "SaveHeld",
    "SaveNotice",
    "SavePlan",
    "SaveReport",
    "SaveReported",
    "SaveStep",
    "Status",
    "Step",
    "Store",
    "Verification",
    "Verified",
    "example_catalog",
    "example_healthy",
    "example_manifest",
    "example_out_of_space",
    "example_snapshot",
    "hash_kv",
    "keyspace",
    "rescue_plan",
    "restore_observe",
    "restore_plan",
    "retention_plan",
    "save_plan",
    "verify",
]
