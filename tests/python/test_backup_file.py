"""etcd's files through the Python API: verified, hashed, counted, restored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trimtab
from hypothesis import given
from hypothesis import strategies as st
from trimtab import etcd

SNAPSHOT = etcd.example_snapshot()
DATABASE = SNAPSHOT[:-32]
CLUSTER = {"member": "m0", "initial_cluster": "m0=http://127.0.0.1:2380", "initial_cluster_token": "tests"}
GIB = 1 << 30


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot.db"
    path.write_bytes(SNAPSHOT)
    return path


def long_file(folder: Path, size: int) -> Path:
    """A snapshot with a hole of this size before its SHA-256, which takes seconds to hash and no room on the disk."""
    path = folder / "long.db"
    path.write_bytes(DATABASE)
    os.truncate(path, size + 32)
    return path


def test_a_path_and_its_contents_say_the_same(file: Path) -> None:
    verified = etcd.verify(SNAPSHOT)
    assert [etcd.verify(given) for given in (file, str(file), bytearray(SNAPSHOT))] == [verified] * 3
    assert {etcd.hash_kv(given) for given in (file, SNAPSHOT)} == {verified.hash_kv}
    assert etcd.keyspace(file) == etcd.keyspace(SNAPSHOT)
    assert hash(etcd.verify(file)) == hash(verified)


def test_a_data_directory_s_file_is_asked_for_by_name(file: Path) -> None:
    verified = etcd.verify(DATABASE, data_directory=True)
    assert (verified.sha256, verified.status) == (None, etcd.verify(SNAPSHOT).status)
    with pytest.raises(trimtab.BrokenFile, match="no SHA-256 at its end") as caught:
        etcd.verify(DATABASE)
    assert isinstance(caught.value, ValueError)
    assert caught.value.to_dict() == {"error": "noSha256", "expectedBytes": 16416, "foundBytes": 16384}


@given(st.integers(0, 8 * len(SNAPSHOT) - 1))
def test_every_changed_bit_is_found(bit: int) -> None:
    changed = bytearray(SNAPSHOT)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(trimtab.BrokenFile):
        etcd.verify(changed)


@given(st.integers(0, len(SNAPSHOT) - 1))
def test_every_cut_is_found(length: int) -> None:
    with pytest.raises(trimtab.BrokenFile):
        etcd.verify(SNAPSHOT[:length])


@given(st.integers(0, 8 * len(DATABASE) - 1))
def test_without_a_sha256_a_changed_bit_shows_or_lies_where_nothing_is_kept(bit: int) -> None:
    changed = bytearray(DATABASE)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        after = etcd.verify(changed, data_directory=True)
    except trimtab.BrokenFile:
        return
    assert (after.status, after.hash_kv) != (etcd.verify(SNAPSHOT).status, etcd.verify(SNAPSHOT).hash_kv)


@given(st.binary(max_size=5000))
def test_any_bytes_are_an_answer_and_no_crash(content: bytes) -> None:
    for call in (etcd.verify, etcd.hash_kv, etcd.keyspace, etcd.restore_observe):
        with pytest.raises(trimtab.BrokenFile):
            call(content)


def test_the_first_fault_comes_with_its_page_and_offset() -> None:
    changed = bytearray(DATABASE)
    changed[3 * 4096 + 8] = 0xFF
    with pytest.raises(trimtab.BrokenFile, match="page 3") as caught:
        etcd.verify(changed, data_directory=True)
    assert (caught.value.error, caught.value.to_dict()["page"]) == ("broken", 3)


def test_a_release_that_is_not_known_is_the_file_s_fault_where_the_file_names_it() -> None:
    changed = DATABASE.replace(b"3.6.0", b"3.8.0")
    with pytest.raises(trimtab.BrokenFile, match=r'"3\.8\.0" is no etcd version') as caught:
        etcd.verify(changed, data_directory=True)
    assert caught.value.error == "invalidVersion"
    # Whoever knows better says so.
    assert etcd.verify(changed, data_directory=True, etcd="3.7").etcd == "3.7"


def test_what_cannot_be_opened_is_python_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere") as caught:
        etcd.verify(tmp_path / "nowhere")
    assert caught.value.filename == str(tmp_path / "nowhere")
    with pytest.raises(trimtab.FileError, match="no regular file") as not_regular:
        etcd.verify(tmp_path)
    assert isinstance(not_regular.value, OSError)
    with pytest.raises(TypeError):
        etcd.verify(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: etcd.hash_kv(SNAPSHOT, revision=5), "revision 5 is not in the file: it ends with 4"),
        (lambda: etcd.keyspace(SNAPSHOT, compaction_at=5), "revision 5 is not in the file"),
        (lambda: etcd.verify(SNAPSHOT, etcd="3.3.1"), '"3.3.1" is no etcd version from 3.4 to 3.7'),
    ],
)
def test_an_argument_that_cannot_be_followed_says_what_would_be_right(call: Any, said: str) -> None:
    with pytest.raises(trimtab.InvalidInput, match=said):
        call()


def test_tables_are_rows_of_one_shape_and_add_up() -> None:
    report = etcd.keyspace(SNAPSHOT, top=1)
    assert (report.revision, report.compact_revision, report.etcd) == (4, -1, "3.6")
    for table in (report.resources, report.namespaces, report.prefixes):
        # What pandas and polars take: the same columns in every row, in the same order.
        assert len({tuple(row) for row in table}) == 1
        for column in ("liveKeys", "liveBytes", "historyRows", "tombstones", "slackBytes", "rows", "bytes"):
            assert sum(row[column] for row in table) == report.total[column]
    assert [len(keys) for keys in (report.largest_values, report.heaviest_keys, report.most_rewritten_keys)] == [1] * 3
    assert report.largest_values[0]["key"] == "/registry/pods/default/a"
    assert report.pages["totalBytes"] == report.forecast["sizeBytes"] == len(DATABASE)
    assert "RESOURCE" in str(report)
    assert etcd.keyspace(SNAPSHOT, prefixes=["/registry/pods"]).prefixes[0]["prefix"] == "/registry/pods"


def test_a_restored_directory_has_what_the_plan_says(tmp_path: Path, file: Path) -> None:
    seen = etcd.restore_observe(file)
    plan = etcd.restore_plan(seen, **CLUSTER, bump_revision=1000, etcd="3.5.35")
    assert (plan.member, plan.etcd, plan.revisions["after"]) == ("m0", "3.5.35", 1004)
    assert any("older one may not start" in notice for notice in plan.notices)
    told: list[etcd.Event] = []
    restored = plan.apply(file, tmp_path / "etcd", progress=told.append)
    assert Path(restored.data_dir, "member/snap/db").stat().st_size == restored.database_bytes
    assert all(Path(restored.data_dir, planned["path"]).is_file() for planned in plan.files)
    assert [event.event for event in told] == ["progress"] * len(told)
    assert str(told[0]).startswith("written ")
    verified = etcd.verify(tmp_path / "etcd/member/snap/db", data_directory=True)
    assert (verified.status.revision, verified.hash_kv.compact_revision) == (1004, 1004)

    with pytest.raises(trimtab.AlreadyExists, match="nothing is overwritten") as caught:
        plan.apply(file, tmp_path / "etcd")
    assert isinstance(caught.value, FileExistsError)


def test_a_restore_that_is_ended_leaves_nothing(tmp_path: Path, file: Path) -> None:
    plan = etcd.restore_plan(etcd.restore_observe(file), **CLUSTER)

    class Stop(Exception):
        pass

    def stop(event: etcd.Event) -> None:
        raise Stop(str(event))

    with pytest.raises(Stop, match="written"):
        plan.apply(file, tmp_path / "etcd", progress=stop)
    assert list(tmp_path.iterdir()) == [file]


def test_a_plan_is_for_the_file_that_was_proven(tmp_path: Path, file: Path) -> None:
    data = etcd.restore_plan(etcd.restore_observe(file), **CLUSTER).to_dict()
    data["source"]["statusHash"] ^= 1
    with pytest.raises(trimtab.InvalidInput, match="not the file that was proven"):
        etcd.RestorePlan.from_dict(data).apply(file, tmp_path / "etcd")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"member": "m1"}, '"m1"'),
        ({"initial_cluster": "m0=127.0.0.1:2380"}, "it has no scheme"),
        ({"initial_cluster_token": ""}, "the token is empty"),
        ({"bump_revision": 0}, "grows by 1 or more"),
    ],
)
def test_a_cluster_that_cannot_be_restored_says_why(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(trimtab.InvalidInput, match=said):
        etcd.restore_plan(etcd.restore_observe(SNAPSHOT), **CLUSTER | wrong)


# --- long files


VERIFIES = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from trimtab import etcd
etcd.verify(sys.argv[1], progress=lambda event: print(event, flush=True))
"""


def test_ctrl_c_ends_a_verification(tmp_path: Path) -> None:
    command = [sys.executable, "-c", VERIFIES, str(long_file(tmp_path, 256 * GIB))]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("read ")
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
        took = time.monotonic() - began
    finally:
        child.kill()
        child.wait()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert child.returncode == -signal.SIGINT
    assert took < 2


def test_what_a_callback_raises_ends_it_and_other_threads_run_meanwhile(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: etcd.Event) -> None:
        raise Stop(event.message)

    done, turns = threading.Event(), 0

    def turn() -> None:
        nonlocal turns
        while not done.wait(0.01):
            turns += 1

    other = threading.Thread(target=turn)
    other.start()
    try:
        with pytest.raises(Stop, match=r"read \d+ MiB"):
            etcd.verify(long_file(tmp_path, 256 * GIB), progress=stop)
    finally:
        done.set()
        other.join()
    assert turns > 20


def test_a_file_that_grows_while_it_is_read_is_told_from_a_broken_one(tmp_path: Path) -> None:
    path = long_file(tmp_path, 3 * GIB)

    def grow(event: etcd.Event) -> None:
        os.truncate(path, path.stat().st_size + 4096)

    with pytest.raises(trimtab.FileInUse, match="the file changed while it was read") as caught:
        etcd.verify(path, progress=grow)
    assert isinstance(caught.value, OSError)
