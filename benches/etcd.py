"""A real etcd on loopback, with data in it: where the snapshots of the benchmark come from."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from measure import Wrong, run

VERSION = "3.7.3"
# The snapshots grow beyond the 2 GiB that etcd takes for its limit.
QUOTA_BYTES = 8 << 30
READY_SECONDS = 30


class Etcd:
    """One member. It keeps its data in `folder`, and ends with the `with`, or with this process."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        client, peer = free_ports(2)
        self.endpoint, peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self.log = folder.with_suffix(".log")
        flags = {
            "name": "m0",
            "data-dir": folder,
            "listen-client-urls": self.endpoint,
            "advertise-client-urls": self.endpoint,
            "listen-peer-urls": peer_url,
            "initial-advertise-peer-urls": peer_url,
            "initial-cluster": f"m0={peer_url}",
            "quota-backend-bytes": QUOTA_BYTES,
        }
        self.command = [
            *("setpriv", "--pdeathsig", "KILL", "--", str(programs / "etcd"), "--unsafe-no-fsync"),
            *(f"--{flag}={value}" for flag, value in flags.items()),
        ]

    def __enter__(self) -> "Etcd":
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + READY_SECONDS
        while subprocess.run(self.ctl("get", "ready"), capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__(None, None, None)
                raise Wrong(f"etcd {VERSION} did not start:\n{self.log.read_text()[-2000:]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str) -> list[str]:
        timeouts = ("--dial-timeout=10s", "--command-timeout=10m")
        return [str(self.programs / "etcdctl"), "--endpoints", self.endpoint, *timeouts, *arguments]

    def save(self, file: Path) -> None:
        run(*self.ctl("snapshot", "save", str(file)))

    def revision(self) -> int:
        status = json.loads(run(*self.ctl("endpoint", "status", "--write-out=json")))
        return int(status[0]["Status"]["header"]["revision"])

    def compact(self, revision: int) -> None:
        run(*self.ctl("compact", "--physical", str(revision)))


def free_ports(count: int) -> list[int]:
    """All are held at once, so that none is drawn twice."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
