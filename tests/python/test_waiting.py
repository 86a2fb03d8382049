"""Blocking calls: they end in time, answer Ctrl-C, let other threads run, and hand on what a callback raises."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from interrupts import SOON_SECONDS, ends_soon_on_ctrl_c
from trimtab import DeadlineExceeded, etcd


def endpoint(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


OBSERVES = """
import sys
from trimtab import etcd
cluster = etcd.Etcd(sys.argv[1], call_deadline=60)
print("asking", flush=True)
cluster.observe()
"""
APPLIES = """
import sys
from trimtab import etcd
cluster = etcd.Etcd(sys.argv[1], call_deadline=60)
plan = etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head")
plan.apply(cluster, progress=lambda event: print("asking", event, flush=True))
"""


@pytest.mark.parametrize("program", [OBSERVES, APPLIES], ids=["observe", "apply"])
def test_ctrl_c_ends_a_call_that_waits(program: str, silent: socket.socket) -> None:
    ends_soon_on_ctrl_c(silent, program, endpoint(silent))


def test_a_member_that_never_answers_is_a_deadline(silent: socket.socket) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        etcd.Etcd(endpoint(silent), call_deadline=0.3).observe()
    assert time.monotonic() - began < 5
    assert caught.value.endpoint == endpoint(silent)
    assert caught.value.to_dict()["afterMs"] == 300
    assert "it hangs, or it has no quorum" in str(caught.value)


def test_other_threads_run_meanwhile(silent: socket.socket) -> None:
    done, turns = threading.Event(), 0

    def turn() -> None:
        nonlocal turns
        while not done.wait(0.01):
            turns += 1

    other = threading.Thread(target=turn)
    other.start()
    with pytest.raises(DeadlineExceeded):
        etcd.Etcd(endpoint(silent), call_deadline=1).observe()
    done.set()
    other.join()
    assert turns > 20


def test_it_works_outside_of_the_main_thread(silent: socket.socket) -> None:
    caught: list[BaseException] = []

    def observe() -> None:
        try:
            etcd.Etcd(endpoint(silent), call_deadline=0.2).observe()
        except DeadlineExceeded as error:
            caught.append(error)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caught) == 4


def test_what_a_callback_raises_ends_the_call(silent: socket.socket) -> None:
    class Stop(Exception):
        pass

    told: list[etcd.Event] = []

    def progress(event: etcd.Event) -> None:
        told.append(event)
        raise Stop(str(event))

    plan = etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head")
    began = time.monotonic()
    with pytest.raises(Stop, match="cluster: compact to revision 1000"):
        plan.apply(etcd.Etcd(endpoint(silent), call_deadline=60), progress=progress)
    assert time.monotonic() - began < SOON_SECONDS
    assert [(event.event, event.index, event.step) for event in told] == [("begun", 0, plan.steps[0])]


def test_a_plan_on_a_cluster_that_never_answers_is_a_report(silent: socket.socket) -> None:
    events: list[etcd.Event] = []
    plan = etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head")
    report = plan.apply(etcd.Etcd(endpoint(silent), call_deadline=0.2), progress=events.append)
    assert not report.is_done
    assert report.acted == 0
    assert [step.outcome["outcome"] for step in report.steps] == ["failed"] + ["notReached"] * (len(plan.steps) - 1)
    assert report.steps[0].outcome["failure"]["error"] == "deadline"
    assert report.stopped_at == report.steps[0]
    assert [event.event for event in events] == ["begun"] + ["ended"] * len(plan.steps)
    assert events[1].outcome == report.steps[0].outcome


def test_a_callback_has_to_be_callable(silent: socket.socket) -> None:
    plan = etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head")
    with pytest.raises(TypeError, match="not callable"):
        plan.apply(etcd.Etcd(endpoint(silent)), progress="print")  # type: ignore[arg-type]
