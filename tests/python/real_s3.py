"""Starts a real S3 server on loopback, versitygw over a temporary folder, and ends it by its process id."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from real_etcd import START_SECONDS, TESTBED, free_ports
from trimtab import etcd

VERSION = "1.8.0"
REGION = "us-east-1"
BUCKET = "backups"
ACCESS_KEY = "trimtab"


class RealS3:
    """A server with one empty bucket; leaving the `with` block ends it and removes what it stored."""

    def __init__(self) -> None:
        self.program = TESTBED / "bin" / f"s3-{VERSION}" / "versitygw"
        if not self.program.exists():
            raise FileNotFoundError(f"{self.program} is missing: run `make testbed`")
        self.secret_key = secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(prefix="trimtab-s3-"))
        (self.port,) = free_ports(1)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def store(self, bucket: str = BUCKET, **changed: Any) -> etcd.Store:
        settings: dict[str, Any] = {"endpoint": self.endpoint, "region": REGION, "plain_http": True, "prefix": "etcd"}
        settings |= {"access_key_id": ACCESS_KEY, "secret_access_key": self.secret_key}
        return etcd.Store.s3(bucket, **settings | changed)

    def file(self, name: str) -> Path:
        """The file that holds an object: to look at it, or to damage it."""
        return self.folder / "objects" / BUCKET / "etcd" / name

    def __enter__(self) -> Self:
        for folder in (f"objects/{BUCKET}", "metadata"):
            (self.folder / folder).mkdir(parents=True)
        arguments = ["--port", f"127.0.0.1:{self.port}", "--region", REGION, "posix", "--sidecar"]
        places = [str(self.folder / "metadata"), str(self.folder / "objects")]
        # setpriv has the kernel end the server where the test itself is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "--", str(self.program), *arguments, *places]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": self.secret_key}
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(command, env=keys, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait_until_it_listens()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def wait_until_it_listens(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError as error:
                if time.monotonic() > until or self.child.poll() is not None:
                    raise TimeoutError(
                        f"versitygw did not start: {(self.folder / 'log').read_text()[-1000:]}"
                    ) from error
                time.sleep(0.05)

    def end(self) -> None:
        self.child.kill()
        self.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
