"""The document's steps, each as the command a user types, with the answer it must give."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from egress_server.demo.checks import ABORTED, CUT, DELAYED, REDIRECTED, REFUSED, UNSEEN, WELCOMED, Checks, outcome
from egress_server.demo.outside import HOST
from egress_server.demo.scene import CLUSTER

LAST_REVISION = "LAST"
"""Stands in a step's arguments for the revision of the last change."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command that must succeed, after a pause in seconds; `checks` must hold of its answer besides."""

    title: str
    arguments: tuple[str, ...]
    checks: Checks = field(default_factory=dict)
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section of the document."""

    title: str
    steps: tuple[Step, ...]


def chapters(examples: Path) -> Iterator[Chapter]:
    """The story; `examples` is the folder with the document's YAML."""
    entry, fault = (str(examples / f"aliyun-{kind}.yaml") for kind in ("serviceentry", "virtualservice"))
    yield Chapter(
        "Set the outbound traffic policy to ALLOW_ANY",
        (
            _change("Let everything out", "outbound", "set", "ALLOW_ANY"),
            _probe("An unregistered HTTP host answers through the sidecar", "http", "PASSTHROUGH", REDIRECTED),
            _probe("An unregistered HTTPS host answers, its TLS untouched", "https", "PASSTHROUGH", WELCOMED),
        ),
    )
    yield Chapter(
        "Create a ServiceEntry",
        (
            _change("Let only registered services out", "outbound", "set", "REGISTRY_ONLY"),
            _probe("HTTP to an unregistered host is refused", "http", "BLOCKED", REFUSED),
            _probe("HTTPS to it is cut", "https", "BLOCKED", CUT),
            _change("Register it: the document's YAML, unchanged", "entry", "upsert", "-f", entry),
            _probe("HTTP is let out and measured", "http", "REGISTERED", REDIRECTED),
            _probe("HTTPS is let out", "https", "REGISTERED", WELCOMED),
        ),
    )
    yield Chapter(
        "Create a VirtualService for traffic management",
        (
            _fault("Delay every request by 5 s: the document's YAML, unchanged", "-f", fault, "--ttl", "10m"),
            _probe("HTTP takes 5 s", "http", "FAULTED", DELAYED),
            _probe("HTTPS does not: its inside is hidden from the sidecar", "https", "REGISTERED", WELCOMED),
            _change("End it before its time", "fault", "clear", "aliyun-com-ext", until="applied"),
            _fault("Answer every request with 503, for 8 s", HOST, "--id", "short", "--abort", "503", "--ttl", "8s"),
            _probe("HTTP is answered by the sidecar", "http", "FAULTED", ABORTED),
            _probe("After its time the fault is gone by itself", "http", "REGISTERED", REDIRECTED, pause=8.5),
        ),
    )
    yield Chapter(
        "Scope sidecar interception by CIDR block",
        (
            _intercept("Intercept one range only", "--include", "198.51.100.0/24"),
            _probe("What is outside it bypasses the sidecar", "http", "BYPASSED", UNSEEN),
            _intercept("Intercept everything but one range", "--exclude", "127.0.0.1/32"),
            _probe("What is inside it bypasses the sidecar", "http", "BYPASSED", UNSEEN),
            _change("Intercept everything again", "intercept", "delete", "default", until="applied"),
        ),
    )
    yield Chapter(
        "And back",
        (
            _change("Delete the entry", "entry", "delete", "aliyun-com-ext"),
            _probe("It is blocked again", "http", "BLOCKED", REFUSED),
            _change("Revert that", "changes", "revert", LAST_REVISION),
            _probe("It is let out again", "http", "REGISTERED", REDIRECTED),
            Step("Who changed what, and what became of it", ("changes", "list")),
        ),
    )


def _change(title: str, *arguments: str, until: str = "verified") -> Step:
    return Step(title, (*arguments, "--wait", until, "--timeout", "60s"))


def _fault(title: str, *arguments: str) -> Step:
    return _change(title, "fault", "inject", *arguments, until="applied")


def _intercept(title: str, *arguments: str) -> Step:
    return _change(title, "intercept", "set", *arguments, until="applied")


def _probe(title: str, scheme: str, expected: str, seen: Checks, *, pause: float = 0.0) -> Step:
    arguments = ("probe", f"{scheme}://{HOST}/", "--from", CLUSTER)
    return Step(title, arguments, {**outcome(expected), **seen}, pause)
