"""Backups without a cluster: the example snapshot, with manifests that are true of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trimtab import etcd

SNAPSHOT = etcd.example_snapshot()
BEGIN = datetime(2026, 11, 25, tzinfo=UTC)


def manifest_at(hour: int) -> etcd.Manifest:
    """Of the example snapshot, taken at that hour."""
    verified = etcd.verify(SNAPSHOT)
    status = verified.status
    data = etcd.example_manifest(revision=status.revision, taken_at=BEGIN + timedelta(hours=hour)).to_dict()
    data |= {"hashKv": verified.hash_kv.hash, "compactRevision": verified.hash_kv.compact_revision}
    data["status"] = {"hash": status.hash, "totalKey": status.total_key, "totalSizeBytes": status.total_size_bytes}
    data |= {"dbSizeBytes": status.total_size_bytes, "sha256": verified.sha256}
    stored = {"compression": "none", "sizeBytes": len(SNAPSHOT), "sha256": hashlib.sha256(SNAPSHOT).hexdigest()}
    return etcd.Manifest.from_dict(data | {"stored": stored})


def put_at(store: etcd.Store, hour: int, folder: Path) -> etcd.Manifest:
    """Puts one into a store, through a file in `folder`."""
    file = folder / "snapshot.db"
    file.write_bytes(SNAPSHOT)
    try:
        return store.put(file, manifest_at(hour))
    finally:
        file.unlink()
