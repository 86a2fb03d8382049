"""A real kube-apiserver over a real etcd, on loopback, with certificates of kubeadm; both ended by process id."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from real_etcd import START_SECONDS, TESTBED, RealEtcd, free_ports

VERSION = "1.37.2"
# kubeadm refuses a loopback address. This one is set aside for documentation, and nothing is ever sent to it.
ADVERTISED = "203.0.113.10"

Object = dict[str, Any]
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


class RealKubernetes:
    """An API server without controllers: what is in it stays as a test has written it. Ready in about four seconds."""

    def __init__(self) -> None:
        self.programs = TESTBED / "bin" / f"kube-{VERSION}"
        if not (self.programs / "kube-apiserver").exists():
            raise FileNotFoundError(f"{self.programs}/kube-apiserver is missing: run `make testbed`")
        self.dir = Path(tempfile.mkdtemp(prefix="trimtab-kube-"))
        self.etcd = RealEtcd()
        (self.port,) = free_ports(1)
        self.server: subprocess.Popen[bytes] | None = None
        self.numbers = count()

    @property
    def conf(self) -> Path:
        """A kubeconfig that may do everything."""
        return self.dir / "super-admin.conf"

    def __enter__(self) -> Self:
        try:
            self.make_certificates()
            self.etcd.__enter__()
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """The API server first: with its etcd gone it never ends by itself."""
        if self.server:
            self.server.kill()
            self.server.wait()
        self.etcd.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def make_certificates(self) -> None:
        (self.dir / "kubeadm.yaml").write_text(
            f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {ADVERTISED}, bindPort: {self.port}}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{VERSION}
encryptionAlgorithm: ECDSA-P256
certificatesDir: {self.dir}/pki
controlPlaneEndpoint: 127.0.0.1:{self.port}
apiServer: {{certSANs: [127.0.0.1, localhost]}}
"""
        )
        self.kubeadm("init", "phase", "certs", "all")
        self.kubeadm("init", "phase", "kubeconfig", "super-admin", "--kubeconfig-dir", str(self.dir))
        user = yaml.safe_load(self.conf.read_text())["users"][0]["user"]
        pair = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
        (self.dir / "client.pem").write_bytes(b"".join(pair))
        self.tls = ssl.create_default_context(cafile=str(self.dir / "pki" / "ca.crt"))
        self.tls.load_cert_chain(self.dir / "client.pem")

    def kubeadm(self, *arguments: str) -> str:
        """In a network namespace that has nothing but loopback."""
        command = ["unshare", "--map-root-user", "--net", "--", str(self.programs / "kubeadm"), *arguments]
        command += ["--config", str(self.dir / "kubeadm.yaml")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def start(self) -> None:
        pki = self.dir / "pki"
        flags = {
            "etcd-servers": ",".join(self.etcd.endpoints),
            "bind-address": "127.0.0.1",
            "secure-port": str(self.port),
            "advertise-address": ADVERTISED,
            "authorization-mode": "Node,RBAC",
            "service-cluster-ip-range": "10.96.0.0/12",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "client-ca-file": f"{pki}/ca.crt",
            "tls-cert-file": f"{pki}/apiserver.crt",
            "tls-private-key-file": f"{pki}/apiserver.key",
            "service-account-key-file": f"{pki}/sa.pub",
            "service-account-signing-key-file": f"{pki}/sa.key",
        }
        # setpriv has the kernel end it where the test itself is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "--", str(self.programs / "kube-apiserver")]
        command += [f"--{name}={value}" for name, value in flags.items()]
        with (self.dir / "log").open("ab") as log:
            self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask("GET", "/readyz")
                # It is made a moment later, and tells clusters apart.
                self.ask("GET", "/api/v1/namespaces/kube-system")
                return
            except OSError as error:
                if time.monotonic() > until or (self.server and self.server.poll() is not None):
                    log = (self.dir / "log").read_text()[-2000:]
                    raise TimeoutError(f"kube-apiserver did not start: {error}\n{log}") from error
                time.sleep(0.1)

    # Its own HTTP API, so that what is checked does not go through trimtab.

    def ask(self, method: str, path: str, body: Object | None = None, content: str = "application/json") -> bytes:
        url = f"https://127.0.0.1:{self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        for _ in range(60):
            request = urllib.request.Request(url, data, {"Content-Type": content}, method=method)
            try:
                with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
                    read: bytes = answer.read()
                    return read
            except urllib.error.HTTPError as error:
                said = error.read().decode()
                # Its storage for that kind is not ready yet.
                if error.code != 429:
                    raise OSError(f"{method} {path}: {error.code}: {said}") from error
                time.sleep(0.5)
        raise TimeoutError(f"{method} {path}: it has no time")

    def call(self, method: str, path: str, body: Object | None = None, content: str = "application/json") -> Object:
        read: Object = json.loads(self.ask(method, path, body, content))
        return read

    def namespace(self) -> str:
        """A new one, for one test."""
        name = f"shop-{next(self.numbers)}"
        self.create("Namespace", "", name)
        return name

    def create(self, kind: str, namespace: str, name: str, **fields: Any) -> Object:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | fields.pop("metadata", {})
        return self.call("POST", PATHS[kind].format(namespace), {"metadata": metadata, **fields})

    def path(self, kind: str, namespace: str, name: str) -> str:
        return f"{PATHS[kind].format(namespace)}/{name}"

    def read(self, kind: str, namespace: str, name: str) -> Object:
        return self.call("GET", self.path(kind, namespace, name))

    def merge(self, kind: str, namespace: str, name: str, fields: Object, *, status: bool = False) -> Object:
        path = self.path(kind, namespace, name) + ("/status" if status else "")
        return self.call("PATCH", path, fields, "application/merge-patch+json")

    def names(self, kind: str, namespace: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.call("GET", PATHS[kind].format(namespace))["items"]]

    def user(self, name: str, namespace: str | None = None, *rules: Object) -> Path:
        """A kubeconfig of a user who has no rights but these, in that namespace."""
        conf = self.dir / f"{name}.conf"
        conf.write_text(self.kubeadm("kubeconfig", "user", "--client-name", name))
        if namespace:
            self.create("Role", namespace, name, rules=list(rules))
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
            subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
            self.create("RoleBinding", namespace, name, roleRef=role, subjects=[subject])
        return conf

    # History, as controllers and Helm would have written it.

    def deployment(self, namespace: str, name: str = "web", *, limit: int = 2, old: int = 5) -> None:
        """A Deployment of no replicas whose rollout is complete, with its old ReplicaSets and the new one."""
        spec = {"replicas": 0, "revisionHistoryLimit": limit} | selected(name, old + 1)
        made = self.create("Deployment", namespace, name, spec=spec)
        self.merge("Deployment", namespace, name, {"status": {"observedGeneration": 1}}, status=True)
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": made["metadata"]["uid"]}
        for revision in range(1, old + 2):
            metadata = {
                "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
                "annotations": {"deployment.kubernetes.io/revision": str(revision)},
                "labels": {"app": name},
            }
            set_spec = {"replicas": 0} | selected(name, revision)
            self.create("ReplicaSet", namespace, f"{name}-{revision}", metadata=metadata, spec=set_spec)
            self.merge(
                "ReplicaSet", namespace, f"{name}-{revision}", {"status": {"observedGeneration": 1}}, status=True
            )

    def finished_job(self, namespace: str, name: str = "import", *, ttl_seconds: int | None = 60) -> None:
        """A Job that was complete an hour ago."""
        pods = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.example/c:1"}]}
        spec = {"template": {"spec": pods}} | ({} if ttl_seconds is None else {"ttlSecondsAfterFinished": ttl_seconds})
        self.create("Job", namespace, name, spec=spec)
        at = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": at, "lastProbeTime": at}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        status = {"startTime": at, "completionTime": at, "conditions": conditions}
        self.merge("Job", namespace, name, {"status": status}, status=True)

    def release(self, namespace: str, name: str = "web", *, records: int = 12) -> None:
        """The records of a release of Helm 3, the last one deployed."""
        for version in range(1, records + 1):
            status = "deployed" if version == records else "superseded"
            record = {"name": name, "namespace": namespace, "version": version, "info": {"status": status}}
            payload = base64.b64encode(gzip.compress(json.dumps(record).encode()))
            labels = {"owner": "helm", "name": name, "status": status, "version": str(version)}
            self.create(
                "Secret",
                namespace,
                f"sh.helm.release.v1.{name}.v{version}",
                metadata={"labels": labels},
                type="helm.sh/release.v1",
                data={"release": base64.b64encode(payload).decode()},
            )


def selected(name: str, revision: int) -> Object:
    """A selector and the template of a revision."""
    container = {"name": "c", "image": f"registry.example/{name}:{revision}"}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"selector": {"matchLabels": {"app": name}}, "template": template}
