"""The document's steps, each as the command that a user types, and the answer it must give in the document's terms."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egress_server.demo.environment import CLUSTER, HOST

Answer = dict[str, Any]
Checks = Mapping[str, Callable[[Answer], bool]]


def status(answer: Answer) -> int:
    """The HTTP status of the first attempt; 0 if there was none."""
    return int(answer["attempts"][0].get("status", 0))


def header(answer: Answer, name: str) -> str:
    """A response header of the first attempt; empty if there is none of this name."""
    headers = answer["attempts"][0].get("headers", [])
    return next((h["value"] for h in headers if h["name"].lower() == name), "")


def seconds(answer: Answer) -> float:
    """How long the first attempt took."""
    return float(answer["attempts"][0]["timings"]["total"].removesuffix("s"))


def outcome(name: str) -> Checks:
    """The verdict, and that it agrees with the policy."""
    return {
        f"outcome {name}": lambda answer: answer["outcome"] == name,
        "agrees with the policy": lambda answer: answer["agrees"] is True,
    }


PROXIED: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "server: envoy": lambda answer: header(answer, "server") == "envoy",
    "x-envoy-upstream-service-time": lambda answer: header(answer, "x-envoy-upstream-service-time").isdigit(),
}
DIRECT: Checks = {
    "HTTP status 200": lambda answer: status(answer) == 200,
    "server: Tengine": lambda answer: header(answer, "server") == "Tengine",
}
REJECTED: Checks = {
    "HTTP status 502": lambda answer: status(answer) == 502,
    "server: envoy": lambda answer: header(answer, "server") == "envoy",
    "transfer-encoding: chunked": lambda answer: header(answer, "transfer-encoding") == "chunked",
}
RESET: Checks = {
    "no HTTP status": lambda answer: status(answer) == 0,
    "TLS handshake reset": lambda answer: bool(answer["attempts"][0].get("tlsError")),
}
DELAYED: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "took 5 s": lambda answer: 5.0 <= seconds(answer) < 6.5,
}
ABORTED: Checks = {
    "HTTP status 503": lambda answer: status(answer) == 503,
    "took less than 1 s": lambda answer: seconds(answer) < 1.0,
}
BYPASSED: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "no trace of the sidecar": lambda answer: (
        header(answer, "server") == "Tengine" and not header(answer, "x-envoy-upstream-service-time")
    ),
}

LAST_REVISION = "LAST"
"""A placeholder in the arguments of a step: the revision of the last change."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command that must succeed, after a pause in seconds; its answer must pass the `checks`."""

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
    """All chapters; `examples` is the folder with the document's YAML."""
    entry, fault = (str(examples / f"aliyun-{kind}.yaml") for kind in ("serviceentry", "virtualservice"))
    yield Chapter(
        "Set the outbound traffic policy to ALLOW_ANY",
        (
            _change("Allow all outbound traffic", "outbound", "set", "ALLOW_ANY"),
            _probe("HTTP to an unregistered host passes through the sidecar", "http", "PASSTHROUGH", PROXIED),
            _probe("HTTPS to an unregistered host passes, its TLS untouched", "https", "PASSTHROUGH", DIRECT),
        ),
    )
    yield Chapter(
        "Create a ServiceEntry",
        (
            _change("Allow registered services only", "outbound", "set", "REGISTRY_ONLY"),
            _probe("HTTP to an unregistered host is rejected", "http", "BLOCKED", REJECTED),
            _probe("HTTPS to an unregistered host is reset", "https", "BLOCKED", RESET),
            _change("Register the host: the document's YAML, unchanged", "entry", "upsert", "-f", entry),
            _probe("HTTP is allowed, and measured by the sidecar", "http", "REGISTERED", PROXIED),
            _probe("HTTPS is allowed", "https", "REGISTERED", DIRECT),
        ),
    )
    yield Chapter(
        "Create a VirtualService for traffic management",
        (
            _fault("Delay every request by 5 s: the document's YAML, unchanged", "-f", fault, "--ttl", "10m"),
            _probe("HTTP takes 5 s", "http", "FAULTED", DELAYED),
            _probe("HTTPS does not: its requests are hidden from the sidecar", "https", "REGISTERED", DIRECT),
            _change("Remove the fault before it expires", "fault", "clear", "aliyun-com-ext", until="applied"),
            _fault("Answer every request with 503, for 8 s", HOST, "--id", "short", "--abort", "503", "--ttl", "8s"),
            _probe("HTTP is answered by the sidecar", "http", "FAULTED", ABORTED),
            _probe("After 8 s the fault is gone by itself", "http", "REGISTERED", PROXIED, pause=8.5),
        ),
    )
    yield Chapter(
        "Scope sidecar interception by CIDR block",
        (
            _intercept("Intercept one range only", "--include", "198.51.100.0/24"),
            _probe("Traffic outside that range bypasses the sidecar", "http", "BYPASSED", BYPASSED),
            _intercept("Intercept everything except one range", "--exclude", "127.0.0.1/32"),
            _probe("Traffic to that range bypasses the sidecar", "http", "BYPASSED", BYPASSED),
            _change("Intercept everything again", "intercept", "delete", "default", until="applied"),
        ),
    )
    yield Chapter(
        "Undo changes",
        (
            _change("Delete the entry", "entry", "delete", "aliyun-com-ext"),
            _probe("The host is blocked again", "http", "BLOCKED", REJECTED),
            _change("Revert that change", "changes", "revert", LAST_REVISION),
            _probe("The host is allowed again", "http", "REGISTERED", PROXIED),
            Step("List who changed what", ("changes", "list")),
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
