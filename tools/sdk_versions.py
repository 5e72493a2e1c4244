"""Runs the SDK on the oldest and the newest dependencies that it allows.

For each of the two: a virtual environment below .cache, the SDK's unit tests in it, and a few calls by the SDK and
egressctl to a real server, which runs on the locked versions.

    python tools/sdk_versions.py    exit 1 if a test or a call fails
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
SHOWN = ("grpcio", "protobuf", "typer", "rich")
TEST_TOOLS = ("hypothesis", "pytest", "pytest-asyncio", "pytest-xdist", "types-protobuf")

CALLS = """
import asyncio, egress, sys
server = sys.argv[1]
with egress.EgressClient(server) as client:
    client.set_outbound_policy("REGISTRY_ONLY")
    assert [policy.mode for policy in client.list_outbound_policies()] == [egress.OutboundPolicy.REGISTRY_ONLY]
    try:
        client.get_outbound_policy("missing")
    except egress.NotFound as error:
        assert error.reason == "RESOURCE_NOT_FOUND", error.reason
async def main():
    async with egress.AsyncEgressClient(server) as client:
        assert (await client.get_mesh()).name == "meshes/default"
asyncio.run(main())
"""


def main() -> int:
    """The exit code."""
    for name, resolution in RESOLUTIONS.items():
        python = _environment(ROOT / ".cache" / "venvs" / f"sdk-{name}", resolution)
        print(f"test-sdk-versions: {name}: {', '.join(_versions(python))}", flush=True)
        _run(python, "-m", "pytest", "-q", "-n", "2", "tests/unit/sdk")
        with _server() as address:
            _run(python, "-c", CALLS, address)
            _run(python.with_name("egressctl"), "--server", address, "outbound", "list")
    return 0


def _environment(folder: Path, resolution: str) -> Path:
    """A fresh environment with the SDK and the locked test tools; its Python."""
    python = folder / "bin" / "python"
    _run(BIN / "uv", "venv", "-q", "--clear", "-p", sys.executable, folder)
    install = (BIN / "uv", "pip", "install", "-q", "-p", python)
    _run(*install, "--resolution", resolution, "./sdk[cli]")
    _run(*install, "-c", "requirements.lock", *TEST_TOOLS)
    return python


def _versions(python: Path) -> Iterator[str]:
    listing = subprocess.run(
        [BIN / "uv", "pip", "freeze", "-p", python], check=True, capture_output=True, text=True
    ).stdout
    return (line for line in listing.splitlines() if line.partition("==")[0] in SHOWN)


@contextmanager
def _server() -> Iterator[str]:
    """The address of a server that runs in the locked environment."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/grpc"
        arguments = ["run", "--data-dir", f"{folder}/data", "--grpc-address", address, "--http-address", "127.0.0.1:0"]
        process = subprocess.Popen(
            [str(BIN / "egressd"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            if "ready" not in process.stdout.readline():
                raise SystemExit("test-sdk-versions: egressd did not start")
            yield address
        finally:
            process.terminate()
            process.wait()


def _run(*command: str | Path) -> None:
    """Runs a command in the repository. Raises CalledProcessError if it fails."""
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failed:
        sys.exit(f"test-sdk-versions: failed: {Path(failed.cmd[0]).name} (status {failed.returncode})")
