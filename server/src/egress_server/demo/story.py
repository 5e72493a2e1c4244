"""The document's steps, each as the command a user types, with the answer it must give."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from egress_server.demo.outside import HOST
from egress_server.demo.scene import CLUSTER, Scene

_EGRESSCTL = Path(sys.executable).with_name("egressctl")
Answer = dict[str, Any]


class WrongAnswer(Exception):
    """The product did not do what the document says."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command that must succeed; `checks` name what must hold of its answer besides."""

    title: str
    arguments: tuple[str, ...]
    checks: Mapping[str, Callable[[Answer], bool]] = field(default_factory=dict)


def steps(examples: Path) -> list[Step]:
    """The story; `examples` is the folder with the document's YAML."""
    entry = examples / "aliyun-serviceentry.yaml"
    return [
        _set("Let everything out: ALLOW_ANY", "outbound", "set", "ALLOW_ANY"),
        _probe("An unregistered HTTP host answers through the sidecar", "http", "PASSTHROUGH", _redirected),
        _probe("An unregistered HTTPS host answers, its TLS untouched", "https", "PASSTHROUGH", _welcomed),
        _set("Let only registered services out: REGISTRY_ONLY", "outbound", "set", "REGISTRY_ONLY"),
        _probe("HTTP to it is refused by the sidecar: 502", "http", "BLOCKED", _refused),
        _probe("HTTPS to it is cut", "https", "BLOCKED", _cut),
        _set("Register it: the document's ServiceEntry, unchanged", "entry", "upsert", "-f", str(entry)),
        _probe("HTTP is let out and measured", "http", "REGISTERED", _redirected),
        _probe("HTTPS is let out", "https", "REGISTERED", _welcomed),
        Step("Who changed what, and what became of it", ("changes", "list")),
    ]


def _set(title: str, *arguments: str) -> Step:
    return Step(title, (*arguments, "--wait", "verified", "--timeout", "60s"))


def _probe(title: str, scheme: str, outcome: str, seen: Mapping[str, Callable[[Answer], bool]]) -> Step:
    checks = {
        f"the outcome is {outcome}": lambda answer: answer["outcome"] == outcome,
        "it is what the policy says": lambda answer: answer["agrees"] is True,
        **seen,
    }
    return Step(title, ("probe", f"{scheme}://{HOST}/", "--from", CLUSTER), checks)


def _status(answer: Answer) -> int:
    return int(answer["attempts"][0].get("status", 0))


def _header(answer: Answer, name: str) -> str:
    headers = answer["attempts"][0].get("headers", [])
    return next((h["value"] for h in headers if h["name"].lower() == name), "")


_redirected: Mapping[str, Callable[[Answer], bool]] = {
    "HTTP status 301": lambda answer: _status(answer) == 301,
    "server: envoy": lambda answer: _header(answer, "server") == "envoy",
    "x-envoy-upstream-service-time": lambda answer: _header(answer, "x-envoy-upstream-service-time").isdigit(),
}
_welcomed: Mapping[str, Callable[[Answer], bool]] = {
    "HTTP status 200": lambda answer: _status(answer) == 200,
    "server: Tengine": lambda answer: _header(answer, "server") == "Tengine",
}
_refused: Mapping[str, Callable[[Answer], bool]] = {
    "HTTP status 502": lambda answer: _status(answer) == 502,
    "server: envoy": lambda answer: _header(answer, "server") == "envoy",
    "transfer-encoding: chunked": lambda answer: _header(answer, "transfer-encoding") == "chunked",
}
_cut: Mapping[str, Callable[[Answer], bool]] = {
    "no HTTP status": lambda answer: _status(answer) == 0,
    "the TLS handshake was cut": lambda answer: bool(answer["attempts"][0].get("tlsError")),
}


async def tell(scene: Scene, examples: Path) -> None:
    """Plays every step; raises WrongAnswer at the first that is wrong."""
    for number, step in enumerate(steps(examples), 1):
        typer.secho(f"\n{number}. {step.title}", bold=True)
        typer.secho(f"$ egressctl {shlex.join(step.arguments)}", fg="cyan")
        await _show(scene, step)
        if not step.checks:
            continue
        answer = await _ask(scene, step)
        for what, holds in step.checks.items():
            if not holds(answer):
                raise WrongAnswer(f"step {number}: not so: {what}\n{json.dumps(answer, indent=2)}")
        typer.secho(f"✔ {', '.join(step.checks)}", fg="green")


async def _show(scene: Scene, step: Step) -> None:
    process = await asyncio.create_subprocess_exec(_EGRESSCTL, *step.arguments, env=_environment(scene))
    if code := await process.wait():
        raise WrongAnswer(f"egressctl {shlex.join(step.arguments)} left with {code}")


async def _ask(scene: Scene, step: Step) -> Answer:
    """Asks once more, for JSON."""
    process = await asyncio.create_subprocess_exec(
        _EGRESSCTL, *step.arguments, "-o", "json", env=_environment(scene), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise WrongAnswer(f"egressctl {shlex.join(step.arguments)} left with {process.returncode}")
    answer: Answer = json.loads(output)
    return answer


def _environment(scene: Scene) -> dict[str, str]:
    return {**os.environ, "EGRESS_SERVER": scene.grpc}
