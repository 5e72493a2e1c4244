"""Tells the story: types each command, shows its answer, and checks it."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path

import typer

from egress_server.demo.checks import Answer
from egress_server.demo.scene import Scene
from egress_server.demo.story import LAST_REVISION, Step, chapters

_EGRESSCTL = Path(sys.executable).with_name("egressctl")


class WrongAnswer(Exception):
    """The product did not do what the document says."""


async def tell(scene: Scene, examples: Path) -> None:
    """Plays every step; raises WrongAnswer at the first that is wrong."""
    number = 0
    for chapter in chapters(examples):
        typer.secho(f"\n== {chapter.title}", bold=True)
        for step in chapter.steps:
            number += 1
            await _play(scene, number, step)


async def _play(scene: Scene, number: int, step: Step) -> None:
    await asyncio.sleep(step.pause)
    arguments = step.arguments
    if LAST_REVISION in arguments:
        last = await _ask(scene, ("changes", "list", "--limit", "1"))
        arguments = tuple(last["changes"][0]["revision"] if word == LAST_REVISION else word for word in arguments)
    typer.secho(f"\n{number}. {step.title}", bold=True)
    typer.secho(f"$ egressctl {shlex.join(arguments)}", fg="cyan")
    await _show(scene, arguments)
    if not step.checks:
        return
    answer = await _ask(scene, arguments)
    for what, holds in step.checks.items():
        if not holds(answer):
            raise WrongAnswer(f"step {number}: not so: {what}\n{json.dumps(answer, indent=2)}")
    typer.secho(f"✔ {', '.join(step.checks)}", fg="green")


async def _show(scene: Scene, arguments: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(_EGRESSCTL, *arguments, env=_environment(scene))
    if code := await process.wait():
        raise WrongAnswer(f"egressctl {shlex.join(arguments)} left with {code}")


async def _ask(scene: Scene, arguments: tuple[str, ...]) -> Answer:
    """The same for JSON."""
    process = await asyncio.create_subprocess_exec(
        _EGRESSCTL, *arguments, "-o", "json", env=_environment(scene), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise WrongAnswer(f"egressctl {shlex.join(arguments)} left with {process.returncode}")
    answer: Answer = json.loads(output)
    return answer


def _environment(scene: Scene) -> dict[str, str]:
    return {**os.environ, "EGRESS_SERVER": scene.grpc}
