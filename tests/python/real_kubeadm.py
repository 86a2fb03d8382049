"""Real kubeadm over a folder of its own, in private namespaces, for which that is `/etc/kubernetes`; no network."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml
from real_etcd import TESTBED
from trimtab import certs

# Before super-admin.conf, before v1beta4, and now.
VERSIONS = ("1.28.15", "1.31.0", "1.37.2")

LEAVES = {
    "apiserver": "apiserver",
    "apiserver-etcd-client": "apiserver-etcd-client",
    "apiserver-kubelet-client": "apiserver-kubelet-client",
    "etcd-healthcheck-client": "etcd/healthcheck-client",
    "etcd-peer": "etcd/peer",
    "etcd-server": "etcd/server",
    "front-proxy-client": "front-proxy-client",
}
"""The certificates that are pairs of files, by name, and the files below `pki`, without their ends."""

SHARED = [f"{stem}.{end}" for stem in ("ca", "front-proxy-ca", "etcd/ca") for end in ("crt", "key")] + [
    "sa.pub",
    "sa.key",
]
"""What is the same on all control-plane nodes, below `pki`."""

PRIVATE = 'mount -t tmpfs tmpfs /etc && mkdir /etc/kubernetes && mount --bind "$0" /etc/kubernetes && exec "$@"'


class Kubernetes:
    """What `init phase certs all` and `init phase kubeconfig all` make; gone when the `with` block is left."""

    def __init__(
        self,
        version: str = "1.31.0",
        *,
        cluster: str = "encryptionAlgorithm: ECDSA-P256\n",
        name: str = "node-a",
        beside: Kubernetes | None = None,
    ):
        """``cluster`` is added to the ClusterConfiguration; ``beside`` is another node of the same control plane."""
        self.version = version
        self.dir = Path(tempfile.mkdtemp(prefix="trimtab-kubeadm-"))
        self.folder = self.dir / "kubernetes"
        self.pki = self.folder / "pki"
        self.kubelet = self.dir / "kubelet"
        (self.pki / "etcd").mkdir(parents=True)
        (self.dir / "config.yaml").write_text(config(version, name, cluster))
        if beside:
            for file in SHARED:
                shutil.copy(beside.pki / file, self.pki / file)

    def __enter__(self) -> Self:
        try:
            for what in ("certs", "kubeconfig"):
                made = self.kubeadm("init", "phase", what, "all")
                assert made.returncode == 0, made.stderr
            self.start_kubelet()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_kubelet(self) -> None:
        """What a kubelet does first: it keeps a certificate of its own, which it will renew."""
        self.kubelet.mkdir()
        conf = yaml.safe_load((self.folder / "kubelet.conf").read_text())
        (self.kubelet / "kubelet-client-first.pem").write_bytes(
            base64.b64decode(conf["users"][0]["user"]["client-certificate-data"])
        )
        (self.kubelet / "kubelet-client-current.pem").symlink_to("kubelet-client-first.pem")

    def node(self) -> certs.Node:
        return certs.Node(self.folder, kubelet_dir=self.kubelet)

    def kubeadm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = (
            TESTBED / "bin" / f"{'kube' if self.version.startswith('1.37') else 'kubeadm'}-{self.version}" / "kubeadm"
        )
        if not program.exists():
            raise FileNotFoundError(f"{program} is missing: run `make testbed`")
        command = ["unshare", "-rmn", "--propagation", "private", "sh", "-c", PRIVATE, str(self.folder), str(program)]
        command += [*arguments, "--config", str(self.dir / "config.yaml")]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(self.dir)})

    def contents(self) -> dict[str, bytes]:
        """Every file that is not ours, by its path in the folder."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and "trimtab" not in path.name)
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def ours(self) -> list[str]:
        """What trimtab has left there, without its lock, which stays."""
        return sorted(path.name for path in self.folder.rglob("*trimtab*") if path.name != ".trimtab-renew.lock")


def config(version: str, name: str, cluster: str) -> str:
    api = "v1beta3" if version.startswith("1.28") else "v1beta4"
    if api == "v1beta3":
        # It has no encryptionAlgorithm, and its kubeadm makes ECDSA keys only behind a gate.
        cluster = cluster.replace("encryptionAlgorithm: ECDSA-P256\n", "featureGates: {PublicKeysECDSA: true}\n")
    return f"""\
apiVersion: kubeadm.k8s.io/{api}
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 203.0.113.10}}
nodeRegistration: {{name: {name}}}
---
apiVersion: kubeadm.k8s.io/{api}
kind: ClusterConfiguration
kubernetesVersion: v{version}
{cluster}"""
