"""The API server of a mesh, with its etcd: real ones, on free ports of loopback; a test can stop them."""

import base64
import contextlib
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.mesh.harness.cluster.addresses import ServiceRange
from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.cluster.binaries import Binaries
from tests.mesh.harness.run.run import Child, Run
from tests.support.egressd import free_port

_ADMISSION_POLICIES = (
    "admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
)
USERS = {"admin": "system:masters", "stranger": "strangers"}
"""Who has a token, and their group. RBAC gives strangers nothing until a test does."""


class ApiServer:
    """etcd and kube-apiserver. There is no controller manager, no scheduler and no kubelet."""

    def __init__(self, run: Run, binaries: Binaries, folder: Path, services: ServiceRange) -> None:
        self._run = run
        self._binaries = binaries
        self._folder = folder
        self._services = services
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self.port = free_port()
        self._tokens = {user: secrets.token_hex(16) for user in USERS}
        self._server: Child | None = None

    @property
    def url(self) -> str:
        """Its URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def etcd_url(self) -> str:
        """Where its etcd listens."""
        return f"http://127.0.0.1:{self._etcd_port}"

    @property
    def authority(self) -> Path:
        """The certificate that clients trust."""
        return self._folder / "certs" / "apiserver.crt"

    def start(self) -> None:
        """Start both and return when the API server serves."""
        self._write_secrets()
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._etcd_peer_port))
        flags = {
            "name": "etcd",
            "data-dir": self._folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"etcd={peer}",
            "unsafe-no-fsync": "true",  # the data lives as long as the run
            "max-txn-ops": "4096",
        }
        self._run.spawn("etcd", [self._binaries.etcd, *_flags(flags)], self._folder)
        self.start_server()
        for user in USERS:
            self._write_kubeconfig(user)

    def start_server(self, *, admission_policies: bool = True) -> None:
        """Start the API server, with the same port and data each time."""
        folder = self._folder
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_port}",
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "cert-dir": folder / "certs",
            "service-account-key-file": folder / "sa.key",
            "service-account-signing-key-file": folder / "sa.key",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-cluster-ip-range": self._services.flag,
            "token-auth-file": folder / "tokens.csv",
            "authorization-mode": "RBAC",
            "disable-admission-plugins": "ServiceAccount",
            "allow-privileged": "true",
        }
        if not admission_policies:
            flags |= {
                "disable-admission-plugins": "ServiceAccount,MutatingAdmissionPolicy",
                "runtime-config": ",".join(f"{path}=false" for path in _ADMISSION_POLICIES),
            }
        self._server = self._run.spawn("kube-apiserver", [self._binaries.kube_apiserver, *_flags(flags)], folder)
        self._server.wait_until(self._serves)

    def stop_server(self) -> None:
        """Stop the API server: connections to it are refused from now on."""
        assert self._server is not None
        self._server.kill()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """While the API server is down: connections are refused. It comes back on the same port and data."""
        self.stop_server()
        try:
            yield
        finally:
            self.start_server()

    @contextlib.contextmanager
    def without_admission_policies(self) -> Iterator[None]:
        """While the API server is one that serves no MutatingAdmissionPolicy, as before Kubernetes 1.36."""
        self.stop_server()
        try:
            self.start_server(admission_policies=False)
            yield
        finally:
            self.stop_server()
            self.start_server()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """While the API server hangs: it accepts connections and never responds."""
        assert self._server is not None
        self._server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.process.send_signal(signal.SIGCONT)

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of a user, all of it inline."""
        return self._folder / f"{user}.kubeconfig"

    def api(self) -> Api:
        """A client with all rights; one for each thread."""
        return Api(self.kubeconfig(), self.authority)

    def _serves(self) -> bool:
        if not self.authority.exists():
            return False
        self._write_kubeconfig("admin")
        with self.api() as api:
            return api.text("/readyz") == "ok"

    def _write_secrets(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self._folder / "sa.key").write_bytes(pem)
        lines = [f'{token},{user},{user},"{USERS[user]}"\n' for user, token in self._tokens.items()]
        (self._folder / "tokens.csv").write_text("".join(lines))

    def _write_kubeconfig(self, user: str) -> None:
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": user,
            "clusters": [{"name": "mesh", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": user, "context": {"cluster": "mesh", "user": user}}],
        }
        self.kubeconfig(user).write_text(yaml.safe_dump(config))


def _flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
