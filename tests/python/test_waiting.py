"""Blocking calls: they end in time, answer Ctrl-C, let other threads run, and hand on what a callback raises."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from trimtab import DeadlineExceeded, etcd

# How soon Ctrl-C has to be answered; it is looked for every 100 ms, and the machine may be busy.
SOON_SECONDS = 2.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts every connection and never says a word: what a stopped etcd does."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener


def endpoint(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


# A test run in the background of a shell ignores Ctrl-C, and its children inherit that: they listen again.
LISTENS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
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
    command = [sys.executable, "-c", LISTENS + program, endpoint(silent)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("asking")
        connection, _ = silent.accept()
        time.sleep(0.3)
        assert child.poll() is None, "it waits for an answer"
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
        took = time.monotonic() - began
        connection.close()
    finally:
        child.kill()
        child.wait()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert child.returncode == -signal.SIGINT
    assert took < SOON_SECONDS


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
