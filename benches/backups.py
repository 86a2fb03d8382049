"""Backups of a real etcd: trimtab beside etcdctl, etcdutl and sha256sum, on snapshots that are made here.

As everywhere in these benchmarks, results are compared first. Files are in the page cache, and each piece of work is a
process of its own, so that its memory counts too. By the clock a machine that does something else counts as well, so
processor time stands beside it.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from etcd import Etcd
from measure import Cost, Work, Wrong, costs, run
from table import Group

# What is written before each snapshot: so many puts of so many bytes. 20,000 keys are alive in all of them.
GROWTH = {
    "60 MB": [(20_000, 1_900), (3_400, 5_000)],
    "600 MB": [(90_000, 5_000)],
    "2 GB": [(227_000, 5_000)],
}
# Everything is measured at one size, growth at all of them. A quick run ends with the first.
MEASURED, QUICK = "600 MB", "60 MB"
# The database, its log, the snapshots, a copy, and what is saved and restored.
DISK_BYTES, QUICK_DISK_BYTES = 10_000_000_000, 1_000_000_000
# The last revisions that a compaction leaves: Kubernetes keeps five to ten minutes.
KEPT_REVISIONS = 10_000
MEMBER = "m0=http://127.0.0.1:2380"

VERIFY, SHA256SUM = "trimtab verify", "sha256sum"
GOAL_TIMES_SHA256SUM, GOAL_PEAK_MB = 1.2, 64


class Programs:
    """trimtab's program, and upstream's."""

    def __init__(self, bench: str, etcd: Path) -> None:
        self.bench = bench
        self.usage = [bench, "usage"]
        self.etcd = etcd

    def ours(self, *arguments: str | Path) -> list[str]:
        return [self.bench, *map(str, arguments)]

    def utl(self, *arguments: str | Path) -> list[str]:
        return [str(self.etcd / "etcdutl"), *map(str, arguments)]


def ask(command: list[str]) -> Any:
    return json.loads(run(*command))


def measure(programs: Programs, quick: bool) -> list[Group]:
    with TemporaryDirectory(prefix="trimtab-bench-") as temporary:
        folder = Path(temporary)
        check_room(folder, QUICK_DISK_BYTES if quick else DISK_BYTES)
        return list(groups(programs, folder, QUICK if quick else MEASURED, quick))


def groups(programs: Programs, folder: Path, measured: str, quick: bool) -> Iterator[Group]:
    files: dict[str, Path] = {}
    sizes = [QUICK] if quick else list(GROWTH)
    with Etcd(programs.etcd, folder / "member") as etcd:
        for size in sizes:
            progress(f"writing until a snapshot has {size}")
            for puts, bytes_each in GROWTH[size]:
                run(*programs.ours("fill", etcd.endpoint, str(puts), str(bytes_each)))
            etcd.save(snapshot(files, folder, size))
            if size == measured:
                yield save(programs, etcd, folder, files[size])
        progress("compacting")
        etcd.compact(etcd.revision() - KEPT_REVISIONS)
        etcd.save(snapshot(files, folder, f"{sizes[-1]}, compacted"))
    for size, file in files.items():
        progress(f"comparing results on {file.stat().st_size:,} bytes ({size})")
        agree(programs, file)
    yield verify(programs, files[measured])
    yield restore(programs, folder, files[measured])
    yield growth(programs, files)


def snapshot(files: dict[str, Path], folder: Path, size: str) -> Path:
    files[size] = folder / f"{len(files)}.db"
    return files[size]


def check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Wrong(f"{folder} has {free:,} free bytes, and {needed:,} are needed: set TMPDIR to a roomier disk")


def progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


# --- the same results


def agree(programs: Programs, file: Path) -> None:
    """Ours against etcdutl's and sha256sum's; the copy because `etcdutl hashkv` writes into what it reads."""
    ours = ask(programs.ours("verify", file))
    theirs = ask(programs.utl("snapshot", "status", file, "--write-out=json"))
    for word in ("hash", "revision", "totalKey", "totalSize", "version"):
        same(f"{word} of {file}", ours["status"]["totalSizeBytes" if word == "totalSize" else word], theirs[word])
    copy = copied(file)
    hash_kv = ask(programs.utl("hashkv", copy, "--write-out=json"))
    copy.unlink()
    same(f"HashKV of {file}", ours["hashKv"]["hash"], hash_kv["hash"])
    same(f"compact revision of {file}", ours["hashKv"]["compactRevision"], hash_kv["compactRevision"])
    alone = ask(programs.ours("sha256", file))["sha256"]
    same(f"SHA-256 of {file}", alone, ours["sha256"])
    same(f"SHA-256 of {file}", alone, run("sh", "-c", 'head --bytes=-32 "$1" | sha256sum', "sh", str(file)).split()[0])
    resources = ask(programs.ours("keyspace", file))["resources"]
    same(f"live keys of {file}", sum(resource["liveKeys"] for resource in resources), theirs["totalKey"])


def same(what: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        raise Wrong(f"{what}: trimtab says {ours}, upstream {theirs}; so their speed is not compared")


def hash_kv(programs: Programs, word: str, file: Path) -> int:
    return int(ask(programs.ours(word, file))["hashKv"]["hash"])


def copied(file: Path) -> Path:
    return Path(shutil.copyfile(file, file.with_suffix(".copy")))


# --- the measuring


def save(programs: Programs, etcd: Etcd, folder: Path, file: Path) -> Group:
    """Against the same server in turns. Ours is proven and compared with the member; theirs is not checked at all."""
    ours, theirs = folder / "saved", folder / "saved.db"
    upstream = etcd.ctl("snapshot", "save", str(theirs))
    works = [
        Work("trimtab save, verified", programs.ours("save", etcd.endpoint, ours), partial(emptied, ours)),
        Work("etcdctl snapshot save", upstream, partial(theirs.unlink, missing_ok=True)),
    ]
    group = measured_group(f"save, {megabytes(file)}", programs, works)
    (backup,) = ours.glob("*.db")
    same("HashKV of what was saved", hash_kv(programs, "verify", backup), hash_kv(programs, "verify", theirs))
    shutil.rmtree(ours)
    theirs.unlink()
    return group


def emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def verify(programs: Programs, file: Path) -> Group:
    copy = copied(file)
    works = [
        Work(VERIFY, programs.ours("verify", file)),
        Work(SHA256SUM, [SHA256SUM, str(file)]),
        # With this processor's own instructions for it, which Debian's sha256sum does not use.
        Work("SHA-256 alone (sha2)", programs.ours("sha256", file)),
        Work("etcdutl snapshot status, no SHA", programs.utl("snapshot", "status", file)),
        Work("etcdutl hashkv, no SHA", programs.utl("hashkv", copy)),
    ]
    group = measured_group(f"verify, {megabytes(file)}", programs, works)
    copy.unlink()
    group.notes += goals(group.costs)
    return group


def goals(measured: dict[str, Cost]) -> Iterator[str]:
    times = measured[SHA256SUM].times_as_fast_as(measured[VERIFY])["wall_ratio"]
    yield f"{VERIFY} takes {times} times as long as {SHA256SUM} by the clock (goal: at most {GOAL_TIMES_SHA256SUM})"
    yield f"and {measured[VERIFY].figures()['peak_mb']} MB at 20,000 live keys (goal: at most {GOAL_PEAK_MB})"


def restore(programs: Programs, folder: Path, file: Path) -> Group:
    """Ours is defragmented on the way, so it is smaller; theirs is a copy."""
    ours, theirs = folder / "ours", folder / "theirs"
    as_member = ("--name=m0", f"--initial-cluster={MEMBER}", f"--initial-advertise-peer-urls={MEMBER.split('=')[1]}")
    command = programs.utl("snapshot", "restore", file, f"--data-dir={theirs}", *as_member)
    works = [
        Work("trimtab restore", programs.ours("restore", file, ours), partial(removed, ours)),
        Work("etcdutl snapshot restore", command, partial(removed, theirs)),
    ]
    group = measured_group(f"restore, {megabytes(file)}", programs, works)
    database = Path("member", "snap", "db")
    restored = [hash_kv(programs, "verify-data", ours / database), hash_kv(programs, "verify-data", theirs / database)]
    same("HashKV of what was restored", *restored)
    same("HashKV before and after a restore", restored[0], hash_kv(programs, "verify", file))
    removed(ours)
    removed(theirs)
    return group


def removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def growth(programs: Programs, files: dict[str, Path]) -> Group:
    """Time grows with the file, memory does not: as many keys are alive in each."""
    progress("measuring growth")
    works = [
        Work(f"trimtab {word}, {size}", programs.ours(word, file))
        for word in ("verify", "keyspace")
        for size, file in files.items()
    ]
    return Group("growth, 20,000 keys alive in each", costs(programs.usage, works), compared=False)


def measured_group(title: str, programs: Programs, works: list[Work]) -> Group:
    progress(f"measuring {title}")
    return Group(title, costs(programs.usage, works))


def megabytes(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:,.0f} MB"
