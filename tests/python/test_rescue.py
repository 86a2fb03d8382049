"""A real etcd that is out of space is rescued through the Python API."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pki import certificates
from real_etcd import RealEtcd
from trimtab import AccessDenied, TlsError, etcd

QUOTA_BYTES = 16 * 1024 * 1024
CERTIFICATES = certificates()
PASSWORD = "right-s3cret"


@pytest.fixture
def full() -> Iterator[RealEtcd]:
    """Three members whose writes are refused."""
    with RealEtcd(members=3, quota_bytes=QUOTA_BYTES) as cluster:
        cluster.fill()
        yield cluster


def sizes(seen: etcd.ClusterSeen) -> list[int]:
    return [member.status.db_size_bytes for member in seen.members if member.status is not None]


def test_three_members_are_rescued_after_a_callback_has_stopped_the_first_try(full: RealEtcd) -> None:
    cluster = etcd.Etcd(full.endpoints)
    before = cluster.observe()
    assert not full.put("/registry/pods/refused", b"x")
    # One member raises it, sometimes two.
    assert {alarm["kind"] for alarm in before.alarms or []} == {"NOSPACE"}
    assert all(member.status and member.status.quota_bytes == QUOTA_BYTES for member in before.members)
    plan = etcd.rescue_plan(before, compact_to="head")
    assert [step.action["action"] for step in plan.steps] == ["compact", *["defragment"] * 3, *["disarm"] * 3, "prove"]

    class Stop(Exception):
        pass

    def stop_at_the_second_step(event: etcd.Event) -> None:
        if (event.event, event.index) == ("begun", 1):
            raise Stop

    with pytest.raises(Stop):
        plan.apply(cluster, progress=stop_at_the_second_step)
    # What was compacted stays so, and nobody was defragmented.
    stopped = cluster.observe()
    assert stopped.compacted == plan.steps[0].action["revision"]
    assert min(sizes(stopped)) >= min(sizes(before))

    events: list[etcd.Event] = []
    saved = etcd.Plan.from_json(plan.to_json())
    report = saved.apply(cluster, progress=events.append)
    assert report.is_done, str(report)
    assert report.steps[0].outcome == {"outcome": "done", "acted": False}
    assert [event.index for event in events if event.event == "ended"] == list(range(len(plan.steps)))
    assert any(event.event == "progress" for event in events)
    assert full.put("/registry/pods/accepted", b"x")
    after = cluster.observe()
    assert after.alarms == []
    assert max(sizes(after)) < min(sizes(before)) // 2
    assert [key for key in full.stored_keys() if not key.startswith("/registry/")] == []

    # Applied again, and planned anew, there is nothing to do.
    again = saved.apply(cluster)
    assert (again.is_done, again.acted) == (True, 0)
    assert etcd.rescue_plan(after).is_empty


def test_a_wrong_password_and_a_missing_user_are_told_apart() -> None:
    with RealEtcd() as cluster:
        cluster.enable_auth(PASSWORD)
        with pytest.raises(AccessDenied, match='refuses the login of user "root"') as caught:
            etcd.Etcd(cluster.endpoints, user="root", password="wrong-s3cret").observe()
        assert isinstance(caught.value, PermissionError)
        assert caught.value.endpoint == cluster.endpoints[0]
        assert "wrong-s3cret" not in str(caught.value.to_dict()) + str(caught.value)
        seen = etcd.Etcd(cluster.endpoints, user="root", password=PASSWORD).observe()
        assert seen.alarms == []
        assert not etcd.rescue_plan(seen)
        with pytest.raises(AccessDenied, match="give user and password"):
            etcd.Etcd(cluster.endpoints).observe()


def test_a_server_whose_certificate_the_ca_does_not_vouch_for_is_a_tls_error() -> None:
    with RealEtcd(tls=True) as cluster:
        with pytest.raises(TlsError, match="check the CA file") as caught:
            wait_for_tls(etcd.Etcd(cluster.endpoints, ca=CERTIFICATES / "another-ca.crt"))
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.endpoint == cluster.endpoints[0]


def wait_for_tls(cluster: etcd.Etcd) -> None:
    """Until the server listens: no other client here could tell."""
    for _ in range(100):
        try:
            cluster.observe()
        except TlsError:
            raise
        except ConnectionError:
            time.sleep(0.05)
