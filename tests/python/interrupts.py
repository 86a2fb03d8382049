"""Whether Ctrl-C ends a program that waits for a server."""

import signal
import socket
import subprocess
import sys
import time

# How soon Ctrl-C has to be answered; it is looked for every 100 ms, and the machine may be busy.
SOON_SECONDS = 2.0

# A test run in the background of a shell ignores Ctrl-C, and its children inherit that: they listen again.
LISTENS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def ends_soon_on_ctrl_c(silent: socket.socket, program: str, *arguments: str) -> None:
    """Runs a program that says `asking` and then waits for the server."""
    command = [sys.executable, "-c", LISTENS + program, *arguments]
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
