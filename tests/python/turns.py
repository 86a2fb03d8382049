"""Whether a call gives up the interpreter's lock."""

import sys
import threading
from collections.abc import Callable


def others_run_while(call: Callable[[], object]) -> bool:
    """With a switch interval that never passes, another thread gets a turn only where the lock is given up."""
    begin = threading.Event()
    turns: list[None] = []

    def turn() -> None:
        begin.wait()
        turns.append(None)

    before = sys.getswitchinterval()
    waiting = threading.Thread(target=turn)
    waiting.start()
    try:
        sys.setswitchinterval(1000)
        begin.set()
        assert not turns
        call()
        return bool(turns)
    finally:
        sys.setswitchinterval(before)
        waiting.join()
