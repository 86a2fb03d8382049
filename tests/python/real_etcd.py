"""Starts real etcd clusters on loopback, and ends them by process id."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TESTBED = Path(os.environ.get("TRIMTAB_TESTBED") or Path(__file__).parents[2] / ".testbed")
START_SECONDS = 60.0


class RealEtcd:
    """A cluster of real members; leaving the `with` block ends every one and removes their data."""

    def __init__(
        self,
        *,
        members: int = 1,
        version: str = "3.6.16",
        quota_bytes: int | None = None,
        tls: bool = False,
        pki: Path | None = None,
    ):
        """``tls`` is with certificates of its own, ``pki`` with those that kubeadm has put into that folder."""
        self.program = TESTBED / "bin" / f"etcd-{version}" / "etcd"
        if not self.program.exists():
            raise FileNotFoundError(f"{self.program} is missing: run `make testbed`")
        self.scheme = "https" if tls or pki else "http"
        self.pki = pki
        self.quota_bytes = quota_bytes
        self.ports = free_ports(2 * members)
        self.folder = Path(tempfile.mkdtemp(prefix="trimtab-etcd-"))
        self.children: list[subprocess.Popen[bytes]] = []

    @property
    def endpoints(self) -> list[str]:
        return [f"{self.scheme}://127.0.0.1:{port}" for port in self.ports[::2]]

    def __enter__(self) -> Self:
        try:
            for index in range(len(self.endpoints)):
                self.start(index)
            if self.scheme == "http":
                self.wait_until_ready()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self, index: int) -> None:
        client, peer = self.endpoints[index], f"http://127.0.0.1:{self.ports[2 * index + 1]}"
        peers = ",".join(f"m{at}=http://127.0.0.1:{port}" for at, port in enumerate(self.ports[1::2]))
        arguments = [
            *("--name", f"m{index}", "--data-dir", str(self.folder / f"m{index}"), "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", peers),
        ]
        if self.pki:
            server = self.pki / "etcd" / "server"
            arguments += ["--cert-file", f"{server}.crt", "--key-file", f"{server}.key", "--client-cert-auth"]
            arguments += ["--trusted-ca-file", str(self.pki / "etcd" / "ca.crt")]
        elif self.scheme == "https":
            arguments += ["--auto-tls"]
        if self.quota_bytes is not None:
            arguments += ["--quota-backend-bytes", str(self.quota_bytes)]
        # setpriv has the kernel end the member where the test itself is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "--", str(self.program), *arguments]
        with (self.folder / f"m{index}.log").open("ab") as log:
            self.children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                for endpoint in self.endpoints:
                    self.call("kv/range", {"key": encoded("nothing")}, endpoint)
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if time.monotonic() > until:
                    logs = "\n".join(log.read_text()[-1000:] for log in self.folder.glob("*.log"))
                    raise TimeoutError(f"etcd did not start: {error}\n{logs}") from error
                time.sleep(0.05)

    def wait_until_it_listens(self) -> None:
        """With TLS nobody but a client with a certificate is answered."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                for port in self.ports[::2]:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    # etcd's own JSON gateway, so that what is checked does not go through trimtab.

    def call(self, method: str, body: dict[str, Any], endpoint: str | None = None, token: str = "") -> dict[str, Any]:
        url = f"{endpoint or self.endpoints[0]}/v3/{method}"
        headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            read: dict[str, Any] = json.load(answer)
            return read

    def put(self, key: str, value: bytes) -> bool:
        """Whether the write was accepted; false where etcd is out of space."""
        try:
            self.call("kv/put", {"key": encoded(key), "value": base64.b64encode(value).decode()})
        except urllib.error.HTTPError as error:
            if "database space exceeded" in error.read().decode():
                return False
            raise
        return True

    def fill(self) -> None:
        """Writes the same few keys again and again, as leases and endpoints are, until a write is refused."""
        for turn in range(1000):
            if not self.put(f"/registry/leases/{turn % 8}", os.urandom(256 * 1024)):
                return
        raise AssertionError("no write was refused: give the cluster a small quota")

    def stored_keys(self) -> list[str]:
        found = self.call("kv/range", {"key": encoded("\0"), "range_end": encoded("\0"), "keys_only": True})
        return [base64.b64decode(kv["key"]).decode() for kv in found.get("kvs", [])]

    def tool(self, name: str, *arguments: str) -> Any:
        """What `etcdctl` or `etcdutl` of this release says, as data."""
        command = [str(self.program.with_name(name)), *arguments, "--write-out", "json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    def enable_auth(self, password: str) -> None:
        self.call("auth/user/add", {"name": "root", "password": password})
        self.call("auth/role/add", {"name": "root"})
        self.call("auth/user/grant", {"user": "root", "role": "root"})
        self.call("auth/enable", {})


def encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def free_ports(count: int) -> list[int]:
    """All are held at once, so that no port is drawn twice."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports
