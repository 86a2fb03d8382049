"""Stores of backups through the Python API, a directory and a real S3 server: put, verified, fetched, thinned out."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trimtab
from backups import BEGIN, SNAPSHOT, manifest_at, put_at
from hypothesis import given
from hypothesis import strategies as st
from real_s3 import BUCKET, RealS3
from trimtab import etcd

NOW = BEGIN + timedelta(days=2)


@pytest.fixture(scope="module")
def s3() -> Iterator[RealS3]:
    with RealS3() as server:
        yield server


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> etcd.Store:
    """An empty one."""
    if request.param == "directory":
        (tmp_path / "store").mkdir()
        return etcd.Store.directory(tmp_path / "store")
    server: RealS3 = request.getfixturevalue("s3")
    return server.store(prefix=f"etcd/{tmp_path.name}")


def names(store: etcd.Store) -> list[str]:
    return [manifest.name for manifest in store.list().verified]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_was_put_is_verified_and_fetched(store: etcd.Store, compression: Any, tmp_path: Path) -> None:
    told: list[etcd.Event] = []
    file = tmp_path / "snapshot.db"
    file.write_bytes(SNAPSHOT)
    put = store.put(file, manifest_at(0), compression=compression, progress=told.append)
    assert put.stored["compression"] == compression
    assert (put.stored["sizeBytes"] < len(SNAPSHOT)) == (compression == "zstd")
    assert names(store) == [put.name]
    assert str(told[-1]) == f"{put.name} is in {store.location}"

    found = store.verify(put.name, scratch=tmp_path)
    assert (found.is_sound, found.problem, found.object["name"]) == (True, None, put.name)
    store.record(put.name, found)
    (entry,) = store.list().entries
    assert datetime.fromisoformat(entry["state"]["lastVerifiedAt"]) == datetime.fromisoformat(found.at)

    fetched = tmp_path / "fetched.db"
    assert store.fetch(put.name, fetched) == put
    assert fetched.read_bytes() == SNAPSHOT
    with pytest.raises(trimtab.AlreadyExists):
        store.fetch(put.name, fetched)
    with pytest.raises(trimtab.AlreadyExists, match="nothing is overwritten") as caught:
        store.put(file, manifest_at(0), compression=compression)
    assert isinstance(caught.value, FileExistsError)


def test_a_week_is_thinned_out_and_a_second_run_has_nothing_to_do(store: etcd.Store, tmp_path: Path) -> None:
    put = [put_at(store, hour, tmp_path).name for hour in range(0, 48, 8)]
    catalog = store.list()
    plan = etcd.retention_plan(catalog, now=NOW, keep_last=1, keep_hourly=0, keep_daily=2, keep_weekly=0, min_keep=1)
    assert [step.target for step in plan.steps] == [*put[:2], *put[3:5]]
    rules = {held.target: [rule["rule"] for rule in held.reason["rules"]] for held in plan.held}
    assert rules == {put[2]: ["daily"], put[5]: ["newest", "minKeep", "last", "daily", "monthly"]}

    events: list[etcd.RetentionEvent] = []
    report = etcd.RetentionPlan.from_json(plan.to_json()).apply(store, progress=events.append)
    assert report.is_done, str(report)
    assert (report.acted, report.stopped_at) == (4, None)
    assert [event.index for event in events if event.event == "ended"] == [0, 1, 2, 3]
    assert names(store) == [put[2], put[5]]
    again = plan.apply(store)
    assert (again.is_done, again.acted) == (True, 0)
    assert not etcd.retention_plan(store.list(), now=NOW, keep_last=1, keep_hourly=0, keep_daily=2, min_keep=1)


def test_a_plan_is_refused_by_another_store(store: etcd.Store, tmp_path: Path) -> None:
    for hour in range(2):
        put_at(store, hour, tmp_path)
    plan = etcd.retention_plan(store.list(), now=NOW, keep_last=1, keep_hourly=0, keep_daily=0, min_keep=1)
    assert len(plan.steps) == 1
    (tmp_path / "other").mkdir()
    report = plan.apply(etcd.Store.directory(tmp_path / "other"))
    assert report.steps[0].outcome["found"] == {"found": "anotherStore", "location": str(tmp_path / "other")}
    assert len(names(store)) == 2


def test_a_backup_that_decayed_is_found_and_counts_no_longer(tmp_path: Path) -> None:
    store = etcd.Store.directory(tmp_path)
    sound, broken = put_at(store, 0, tmp_path).name, put_at(store, 1, tmp_path).name
    decayed = bytearray((tmp_path / broken).read_bytes())
    decayed[len(decayed) // 2] ^= 1
    (tmp_path / broken).write_bytes(decayed)
    found = store.verify(broken, scratch=tmp_path)
    assert not found.is_sound
    assert found.problem is not None
    assert found.problem["error"] == "storedDiffers"
    with pytest.raises(trimtab.BrokenFile, match="take another backup"):
        store.fetch(broken, tmp_path / "fetched.db")
    assert not (tmp_path / "fetched.db").exists()
    assert names(store) == [sound, broken]
    store.record(broken, found)
    assert names(store) == [sound]
    findings = store.list().findings(now=NOW)
    assert [finding.finding for finding in findings] == ["tooOld", "unverified"]
    assert findings[0].to_dict()["name"] == sound


def test_what_an_older_trimtab_cannot_judge_is_no_broken_backup(tmp_path: Path) -> None:
    store = etcd.Store.directory(tmp_path)
    name = put_at(store, 0, tmp_path).name
    sidecar = tmp_path / f"{name}.json"
    sidecar.write_text(sidecar.read_text().replace('"3.6.16"', '"3.8.0"'))
    with pytest.raises(trimtab.InvalidInput, match="use a newer trimtab") as caught:
        store.verify(name, scratch=tmp_path)
    assert caught.value.to_dict()["error"] == "unknownRelease"
    assert names(store) == [name]


def test_a_record_that_cannot_be_read_does_not_count_as_sound(tmp_path: Path) -> None:
    store = etcd.Store.directory(tmp_path)
    name = put_at(store, 0, tmp_path).name
    found = store.verify(name, scratch=tmp_path)
    record = tmp_path / f"{name}.verified.json"
    for text, unusable in [('{"format": 1, "at"', "unparsable"), ('{"format": 2}', "newer")]:
        record.write_text(text)
        catalog = store.list()
        assert catalog.verified == []
        (entry,) = catalog.entries
        assert entry["state"]["why"]["why"] == "unusableVerification"
        assert entry["state"]["why"]["problem"]["unusable"] == unusable
        assert [finding.finding for finding in catalog.findings(now=NOW)] == ["noBackup", "unverified"]
        assert "verify it again" in str(catalog.findings(now=NOW)[1])
        plan = etcd.retention_plan(catalog, now=NOW + timedelta(days=900), unverified_after_seconds=3600)
        assert not plan.steps
    store.record(name, found)
    assert names(store) == [name]


def test_a_backup_in_two_forms_takes_one_place(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = etcd.Store.directory(tmp_path / "store")
    file = tmp_path / "snapshot.db"
    file.write_bytes(SNAPSHOT)
    for hour in range(3):
        for compression in ("none", "zstd"):
            store.put(file, manifest_at(hour), compression=compression)  # type: ignore[arg-type]
    plan = etcd.retention_plan(store.list(), now=NOW, keep_last=2, keep_hourly=0, keep_daily=0, min_keep=2)
    assert sorted(step.target for step in plan.steps) == names(store)[:2]


def test_what_a_callback_raises_leaves_nothing_that_counts(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: etcd.Event) -> None:
        raise Stop(str(event))

    (tmp_path / "store").mkdir()
    store = etcd.Store.directory(tmp_path / "store")
    name = put_at(store, 0, tmp_path).name
    with pytest.raises(Stop, match="verifying"):
        store.fetch(name, tmp_path / "fetched.db", progress=stop)
    with pytest.raises(Stop, match="verifying"):
        store.verify(name, scratch=tmp_path, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


# --- what a store refuses


def test_a_directory_that_is_missing_is_no_empty_store(tmp_path: Path) -> None:
    with pytest.raises(trimtab.NotFound, match="is not there") as caught:
        etcd.Store.directory(tmp_path / "nowhere").list()
    assert isinstance(caught.value, FileNotFoundError)


def test_each_trouble_of_a_bucket_has_its_remedy(s3: RealS3) -> None:
    with pytest.raises(trimtab.AccessDenied, match="check the credentials") as caught:
        s3.store(secret_access_key="wrong-s3cret").list()
    assert isinstance(caught.value, PermissionError)
    assert "wrong-s3cret" not in f"{caught.value} {caught.value.to_dict()}"
    with pytest.raises(trimtab.NotFound, match="is not there"):
        s3.store("another").list()
    with pytest.raises(trimtab.Unreachable):
        s3.store(endpoint="http://127.0.0.1:1", request_deadline=2).list()
    with pytest.raises(trimtab.BrokenFile, match="its manifest is missing"):
        s3.store().verify(manifest_at(0).name, scratch="/tmp")


def test_settings_that_do_not_go_together_are_said_at_once() -> None:
    for changed, said in [
        ({"endpoint": "http://127.0.0.1:1"}, "the endpoint has no TLS"),
        ({"endpoint": "https://user:s3cret@127.0.0.1:1"}, "the endpoint holds a user"),
        ({"access_key_id": "id"}, "access_key_id is given without secret_access_key"),
        ({"session_token": "t"}, "session_token is given without access_key_id"),
        ({"prefix": "a//b"}, "the prefix"),
        ({"idle_deadline": -1}, "idle_deadline is -1"),
    ]:
        with pytest.raises(trimtab.InvalidInput, match=said) as caught:
            etcd.Store.s3(BUCKET, **changed)  # type: ignore[arg-type]
        assert "s3cret" not in str(caught.value)


def test_a_store_shows_no_key_and_cannot_be_pickled() -> None:
    store = etcd.Store.s3(BUCKET, prefix="a", access_key_id="id", secret_access_key="planted-s3cret")
    assert repr(store) == "<Store s3://backups/a>"
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(store)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda store: store.verify("backup.db", scratch="/tmp"), '"backup.db" is no backup\'s name'),
        (lambda store: store.put("f", manifest_at(0), check="hash"), "check is hash, it lies among readBack and size"),
        (lambda store: store.put("f", manifest_at(0), compression="gzip"), "unknown variant `gzip`"),
    ],
)
def test_a_wrong_argument_says_what_would_be_right(call: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(trimtab.InvalidInput, match=said):
        call(etcd.Store.directory(tmp_path))


# --- plans, without a store


def test_now_is_given_with_its_time_zone() -> None:
    catalog = etcd.example_catalog([manifest_at(0)])
    said = [NOW, NOW.isoformat(), "2026-11-27T01:00:00+01:00"]
    assert len({etcd.retention_plan(catalog, now=now).to_json() for now in said}) == 1
    for naive in (datetime(2026, 11, 27), "2026-11-27T00:00:00", "tomorrow"):
        with pytest.raises(trimtab.InvalidInput, match="give a datetime with a time zone"):
            etcd.retention_plan(catalog, now=naive)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            {
                "keep_last": 0,
                "keep_hourly": 0,
                "keep_daily": 0,
                "keep_weekly": 0,
                "keep_monthly": 0,
                "min_age_seconds": 0,
            },
            "it keeps nothing",
        ),
        ({"min_keep": 0}, "write 1 or more"),
        ({"max_age_seconds": 60}, "above min_age_seconds, 3600"),
        ({"unverified_after_seconds": 60}, "an upload may be going on"),
        ({"cluster": "xyz"}, "cluster cannot be read"),
    ],
)
def test_a_policy_that_contradicts_itself_says_what_would_be_right(policy: dict[str, Any], said: str) -> None:
    with pytest.raises(trimtab.InvalidInput, match=said):
        etcd.retention_plan(etcd.example_catalog([]), now=NOW, **policy)


@given(
    hours=st.sets(st.integers(-2000, 100), min_size=1, max_size=20),
    keep=st.fixed_dictionaries(
        {f"keep_{rule}": st.integers(0, 4) for rule in ("last", "hourly", "daily", "weekly", "monthly")}
    ),
)
def test_every_file_stays_or_goes_and_the_newest_stays(hours: set[int], keep: dict[str, int]) -> None:
    taken = [BEGIN + timedelta(hours=hour) for hour in sorted(hours)]
    manifests = [etcd.example_manifest(revision=at, taken_at=when) for at, when in enumerate(taken, 1)]
    catalog = etcd.example_catalog(manifests)
    plan = etcd.retention_plan(catalog, now=NOW, min_keep=1, **keep)
    goes = [step.target for step in plan.steps]
    stays = [held.target for held in plan.held if held.reason["reason"] != "noVerified"]
    assert sorted(goes + stays) == sorted(manifest.name for manifest in manifests)
    past = [manifest.name for manifest, when in zip(manifests, taken, strict=True) if when <= NOW]
    assert past[-1:] == [name for name in past[-1:] if name in stays]
    assert plan.is_blocked == (not past)
    assert etcd.retention_plan(catalog.to_dict(), now=NOW, min_keep=1, **keep) == plan


def test_the_defaults_are_those_of_the_policy_in_rust() -> None:
    policy = {"keep_last": 3, "keep_hourly": 24, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 6}
    hours = [etcd.example_manifest(revision=at, taken_at=BEGIN - timedelta(hours=at)) for at in range(1, 400)]
    catalog = etcd.example_catalog(hours)
    assert etcd.retention_plan(catalog, now=BEGIN.astimezone(UTC)) == etcd.retention_plan(
        catalog, now=BEGIN, min_age_seconds=3600, min_keep=3, **policy
    )
