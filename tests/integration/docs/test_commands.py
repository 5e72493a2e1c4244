"""What README.md and docs/ tell the reader to type works, in their order, in the environment of `make run`.

Only ports differ from what is written: they are free ones. Each page has an environment of its own, so its commands
must not depend on another page's.
"""

import asyncio
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from egress_server.demo.environment import Environment, demo_environment
from tests.integration.docs.blocks import Block, blocks_of, pages
from tests.support.paths import EXAMPLES

PATIENCE_SECONDS = 120.0
RUNNABLE = [page for page in pages() if any(block.runs for block in blocks_of(page))]


def workspace(home: Path) -> Path:
    """A folder in which commands find what they find in a checkout after `make setup`."""
    folder = home / "checkout"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "examples").symlink_to(EXAMPLES)
    # Without this curl exits with 0 whatever the server answers.
    (folder / ".curlrc").write_text("fail-with-body\n")
    return folder


async def run(block: Block, folder: Path, environment: Environment) -> str:
    """Runs a block, which must exit with 0; what it printed."""
    text = block.text.replace("127.0.0.1:9090", environment.grpc).replace("127.0.0.1:8080", environment.http)
    command = [sys.executable, "-c", text] if block.language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    variables = {
        **os.environ,
        "CURL_HOME": str(folder),
        "EGRESS_CONFIG": str(folder / "config.yaml"),
        "EGRESS_SERVER": environment.grpc,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    printed = output.decode(errors="replace")
    assert process.returncode == 0, f"{block} exited with {process.returncode}:\n{text}\n{printed}"
    return printed


@pytest.mark.parametrize("page", RUNNABLE)
async def test_the_commands_of_a_page_work(page: str, tmp_path: Path) -> None:
    """Every block of the page that is marked to be run exits with 0 and prints what its marker says."""
    folder = workspace(tmp_path)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    async with demo_environment(data, real=False) as environment:
        for block in blocks_of(page):
            if block.runs:
                printed = await run(block, folder, environment)
                assert block.prints in printed, f"{block} does not print {block.prints!r}:\n{printed}"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("console", "true\nfalse | cat\ntrue\n"),
        ("console", "curl -s 127.0.0.1:8080/\n"),
        ("python", "raise SystemExit(3)\n"),
    ],
)
async def test_a_failing_block_is_noticed(language: str, text: str, tmp_path: Path) -> None:
    """A command that fails in the middle of a block fails the block, and so does an error answered over REST."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        environment = Environment("", f"127.0.0.1:{refusing.server_port}", tmp_path / "log")
        with pytest.raises(AssertionError, match="exited with"):
            await run(Block("p.md", 1, language, text, runs=True), workspace(tmp_path), environment)
        refusing.shutdown()


def test_the_quick_start_is_run() -> None:
    """The README and the walk-through are among the pages whose commands are run."""
    assert {"README.md", "docs/document-walkthrough.md"} <= set(RUNNABLE)
