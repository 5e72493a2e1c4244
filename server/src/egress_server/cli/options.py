"""Flags that several commands have, and how flags become settings."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

T = TypeVar("T", bound=BaseSettings)

GrpcAddress = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Or unix:PATH. Default: 127.0.0.1:9090")]
HttpAddress = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Default: 127.0.0.1:8080")]
SharedRedis = Annotated[
    str | None, typer.Option(metavar="URL", help="The Redis that all processes share. Must be given")
]
DirectoryRoot = Annotated[
    Path | None, typer.Option(help="Folder below which directory clusters may live. Default: none may")
]
CredentialsKeyFile = Annotated[
    Path | None,
    typer.Option(help="Key that clusters' credentials are sealed with. Default: credentials.key in the data-dir"),
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error")]
OtlpEndpoint = Annotated[str | None, typer.Option(help="Where traces go, by OTLP over HTTP")]
TraceRatio = Annotated[float | None, typer.Option(help="Share of calls to trace. Default: 0.1")]
CorsOrigin = Annotated[list[str] | None, typer.Option(help="Web origin that may call. Repeatable")]
DrainSeconds = Annotated[float | None, typer.Option(help="How long a stop waits for calls. Default: 10")]


def settings_of(kind: type[T], given: dict[str, Any]) -> T:
    """What was given, by flag or environment; ends the program where that is wrong."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None and value != []})
    except ValidationError as error:
        for problem in error.errors():
            flag = "--" + str(problem["loc"][0]).replace("_", "-") if problem["loc"] else ""
            why = "must be given" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            typer.echo(f"egressd: {flag}: {why}", err=True)
        raise typer.Exit(2) from None
