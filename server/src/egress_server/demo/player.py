"""Plays the demo: runs each command, shows its answer, and checks it."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path

import typer

from egress_server.demo.environment import Environment
from egress_server.demo.script import LAST_REVISION, Answer, Step, chapters

_EGRESSCTL = Path(sys.executable).with_name("egressctl")


class WrongAnswer(Exception):
    """The answer is not what the document says."""


async def play(environment: Environment, examples: Path) -> None:
    """Plays every step. Raises WrongAnswer at the first wrong answer."""
    number = 0
    for chapter in chapters(examples):
        typer.secho(f"\n== {chapter.title}", bold=True)
        for step in chapter.steps:
            number += 1
            await _play(environment, number, step)


async def _play(environment: Environment, number: int, step: Step) -> None:
    await asyncio.sleep(step.pause)
    arguments = step.arguments
    if LAST_REVISION in arguments:
        last = await _ask(environment, ("changes", "list", "--limit", "1"))
        arguments = tuple(last["changes"][0]["revision"] if word == LAST_REVISION else word for word in arguments)
    typer.secho(f"\n{number}. {step.title}", bold=True)
    typer.secho(f"$ egressctl {shlex.join(arguments)}", fg="cyan")
    await _show(environment, arguments)
    if not step.checks:
        return
    answer = await _ask(environment, arguments)
    for what, holds in step.checks.items():
        if not holds(answer):
            raise WrongAnswer(f"step {number} failed: expected {what}\n{json.dumps(answer, indent=2)}")
    typer.secho(f"✔ {', '.join(step.checks)}", fg="green")


async def _show(environment: Environment, arguments: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(_EGRESSCTL, *arguments, env=_variables(environment))
    if code := await process.wait():
        raise WrongAnswer(f"egressctl {shlex.join(arguments)} exited with status {code}")


async def _ask(environment: Environment, arguments: tuple[str, ...]) -> Answer:
    """Runs the command again with JSON output."""
    process = await asyncio.create_subprocess_exec(
        _EGRESSCTL, *arguments, "-o", "json", env=_variables(environment), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise WrongAnswer(f"egressctl {shlex.join(arguments)} exited with status {process.returncode}")
    answer: Answer = json.loads(output)
    return answer


def _variables(environment: Environment) -> dict[str, str]:
    return {**os.environ, "EGRESS_SERVER": environment.grpc}
