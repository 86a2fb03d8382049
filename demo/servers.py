"""A real etcd cluster on loopback, for as long as a ``with`` block lasts."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTBED = Path(os.environ.get("TRIMTAB_TESTBED", Path(__file__).resolve().parent.parent / ".testbed"))


@dataclass(frozen=True)
class Member:
    name: str
    endpoint: str
    process: subprocess.Popen[bytes]


@contextmanager
def etcd_cluster(version: str, *, members: int, quota_bytes: int) -> Iterator[list[Member]]:
    """Starts it, waits until it answers, and ends every member by its process id, whatever happens inside."""
    program = TESTBED / "bin" / f"etcd-{version}" / "etcd"
    if not program.is_file():
        raise SystemExit(f"etcd {version} is missing: run `make testbed`")
    folder = Path(tempfile.mkdtemp(prefix="trimtab-demo-"))
    started: list[Member] = []
    try:
        ports = free_ports(2 * members)
        peers = ",".join(f"m{i}=http://127.0.0.1:{ports[2 * i + 1]}" for i in range(members))
        for i in range(members):
            started.append(start(program, folder, f"m{i}", ports[2 * i : 2 * i + 2], peers, quota_bytes))
        for member in started:
            wait_until_ready(member, folder)
        yield started
    finally:
        end(started, folder)


def start(program: Path, folder: Path, name: str, ports: list[int], peers: str, quota_bytes: int) -> Member:
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    # The kernel ends the member where this program is killed and cannot tidy up.
    command = ["setpriv", "--pdeathsig", "KILL", "--", str(program), "--name", name, "--data-dir", str(folder / name)]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", peers, "--initial-cluster-token", folder.name]
    command += [f"--quota-backend-bytes={quota_bytes}"]
    with open(folder / f"{name}.log", "wb") as log:
        # A group of its own: Ctrl-C reaches this program, which ends the members in order.
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    return Member(name, client, process)


def wait_until_ready(member: Member, folder: Path) -> None:
    until = time.monotonic() + 30
    while put(member, "/registry/demo-ready", b"") is not None:
        if time.monotonic() > until or member.process.poll() is not None:
            log = (folder / f"{member.name}.log").read_text(errors="replace").splitlines()[-5:]
            raise SystemExit(f"etcd {member.name} did not start:\n" + "\n".join(log))
        time.sleep(0.1)


def end(members: list[Member], folder: Path) -> None:
    """Nothing comes between: another Ctrl-C waits until all is gone. The data goes too, so they are killed at once."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, signal.SIG_IGN) for each in signals]
    for member in members:
        member.process.kill()
        member.process.wait()
    shutil.rmtree(folder, ignore_errors=True)
    for each, handler in zip(signals, before, strict=True):
        signal.signal(each, handler)


def free_ports(count: int) -> list[int]:
    """All are held at once, so that none is drawn twice."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def put(member: Member, key: str, value: bytes) -> str | None:
    """Writes through etcd's JSON gateway: ``None``, or why it was refused."""
    body = json.dumps({"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value).decode()})
    request = urllib.request.Request(
        f"{member.endpoint}/v3/kv/put", body.encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return None
    except urllib.error.HTTPError as error:
        return str(json.load(error).get("message") or error)
    except OSError as error:
        return str(error)
