"""What must hold of a probe's answer, in the document's own terms: what a check says, and how JSON tells it."""

from collections.abc import Callable, Mapping
from typing import Any

Answer = dict[str, Any]
Checks = Mapping[str, Callable[[Answer], bool]]


def status(answer: Answer) -> int:
    """The HTTP status of the first attempt; 0 where there was none."""
    return int(answer["attempts"][0].get("status", 0))


def header(answer: Answer, name: str) -> str:
    """A response header of the first attempt; empty where it has none of the name."""
    headers = answer["attempts"][0].get("headers", [])
    return next((h["value"] for h in headers if h["name"].lower() == name), "")


def seconds(answer: Answer) -> float:
    """How long the first attempt took."""
    return float(answer["attempts"][0]["timings"]["total"].removesuffix("s"))


def outcome(name: str) -> Checks:
    """The verdict, and that the policy says the same."""
    return {
        f"the outcome is {name}": lambda answer: answer["outcome"] == name,
        "it is what the policy says": lambda answer: answer["agrees"] is True,
    }


REDIRECTED: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "server: envoy": lambda answer: header(answer, "server") == "envoy",
    "x-envoy-upstream-service-time": lambda answer: header(answer, "x-envoy-upstream-service-time").isdigit(),
}
WELCOMED: Checks = {
    "HTTP status 200": lambda answer: status(answer) == 200,
    "server: Tengine": lambda answer: header(answer, "server") == "Tengine",
}
REFUSED: Checks = {
    "HTTP status 502": lambda answer: status(answer) == 502,
    "server: envoy": lambda answer: header(answer, "server") == "envoy",
    "transfer-encoding: chunked": lambda answer: header(answer, "transfer-encoding") == "chunked",
}
CUT: Checks = {
    "no HTTP status": lambda answer: status(answer) == 0,
    "the TLS handshake was cut": lambda answer: bool(answer["attempts"][0].get("tlsError")),
}
DELAYED: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "it took 5 s": lambda answer: 5.0 <= seconds(answer) < 6.5,
}
ABORTED: Checks = {
    "HTTP status 503": lambda answer: status(answer) == 503,
    "it took no time": lambda answer: seconds(answer) < 1.0,
}
UNSEEN: Checks = {
    "HTTP status 301": lambda answer: status(answer) == 301,
    "no trace of the sidecar": lambda answer: (
        header(answer, "server") == "Tengine" and not header(answer, "x-envoy-upstream-service-time")
    ),
}
