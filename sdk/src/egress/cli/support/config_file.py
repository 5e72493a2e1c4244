"""The contexts of a user, named servers, in one file.

    current-context: staging
    contexts:
      staging:
        server: egress.staging.internal:9090
        mesh: default

The file is `EGRESS_CONFIG`, or by default `egress/config.yaml` below XDG_CONFIG_HOME (`~/.config`).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import typer
import yaml


@dataclass(frozen=True, slots=True)
class ServerContext:
    """Where to send calls; an empty field means the default."""

    server: str = ""
    mesh: str = ""


@dataclass(slots=True)
class Config:
    """The content of the file."""

    contexts: dict[str, ServerContext] = field(default_factory=dict)
    current: str = ""

    @classmethod
    def load(cls) -> Self:
        """The content of the file; empty if there is none. Raises a usage error if it cannot be read."""
        try:
            content = _mapping(yaml.safe_load(path().read_text(encoding="utf-8")))
            contexts = {str(name): _context(value) for name, value in _mapping(content.get("contexts")).items()}
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise typer.BadParameter(f"cannot read {path()}: {error}") from error
        return cls(contexts, str(content.get("current-context") or ""))

    def save(self) -> None:
        """Replaces the file atomically. Raises a usage error if that fails."""
        contexts = {
            name: {key: value for key, value in (("server", one.server), ("mesh", one.mesh)) if value}
            for name, one in self.contexts.items()
        }
        text = yaml.safe_dump({"current-context": self.current, "contexts": contexts}, sort_keys=False)
        draft = path().with_suffix(".new")
        try:
            path().parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path())
        except OSError as error:
            raise typer.BadParameter(f"cannot write {path()}: {error}") from error

    def context(self, name: str) -> ServerContext:
        """The context of that name, or the current one if the name is empty. An unknown name is a usage error."""
        wanted = name or self.current
        if wanted and wanted not in self.contexts:
            known = ", ".join(sorted(self.contexts)) or "none"
            raise typer.BadParameter(f"no context {wanted!r} in {path()} (contexts: {known})")
        return self.contexts.get(wanted, ServerContext())


def path() -> Path:
    """The path of the file, whether it exists or not."""
    if named := os.environ.get("EGRESS_CONFIG"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "egress" / "config.yaml"


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value or {}, dict):
        raise ValueError(f"{value!r} is not a mapping, such as `contexts: {{staging: {{server: HOST:PORT}}}}`")
    return value or {}


def _context(value: Any) -> ServerContext:
    fields = _mapping(value)
    return ServerContext(**{key: str(fields[key]) for key in ("server", "mesh") if fields.get(key)})
