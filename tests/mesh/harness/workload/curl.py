"""Plain curl inside a workload, as in the source document, and its result."""

import json
import subprocess
from dataclasses import dataclass, field

_MAX_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of curl. `status` is 0 and `headers` are empty if no answer came."""

    exit: int
    status: int
    seconds: float
    error: str
    address: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def by_envoy(self) -> bool:
        """Whether the answer passed through the HTTP part of the sidecar."""
        return self.headers.get("server") == "envoy"

    @property
    def routed(self) -> bool:
        """Whether the sidecar had the answer from a server beyond it."""
        return self.by_envoy and "x-envoy-upstream-service-time" in self.headers

    def lasted(self, seconds: float) -> bool:
        """Whether it took that long, by Envoy's timers, which may be some milliseconds early."""
        return self.seconds > seconds - 0.05


def curl_in(namespace: str, url: str, *words: str, head: bool = True) -> Answer:
    """Run curl in a network namespace; `curl -I` unless `head` is False."""
    told = "%{stderr}%{json}"
    argv = ["curl", "-sS", "--noproxy", "*", "--max-time", str(_MAX_SECONDS), "-D", "/dev/fd/3", "-w", told, *words]
    if head:
        argv.append("-I")
    # Headers, body and curl's own words each have a channel: 3 is the headers, after the body on 1.
    script = 'exec 4>&1; headers=$(ip netns exec "$0" "$@" 3>&1 >&4); code=$?; printf "\\0%s" "$headers"; exit $code'
    done = subprocess.run(
        ["sh", "-c", script, namespace, *argv, url], capture_output=True, text=True, check=False, errors="replace"
    )
    body, _, head_text = done.stdout.partition("\0")
    error, _, numbers = done.stderr.rpartition("{")
    facts = json.loads("{" + numbers) if numbers else {}
    return Answer(
        exit=done.returncode,
        status=facts.get("http_code", 0),
        seconds=facts.get("time_total", 0.0),
        error=error.strip(),
        address=facts.get("remote_ip", ""),
        body="" if head else body,
        headers=_headers(head_text),
    )


def _headers(text: str) -> dict[str, str]:
    """The headers of the last answer, names in lower case."""
    last = [block for block in text.replace("\r", "").split("\n\n") if block.strip()][-1:]
    lines = last[0].strip().split("\n")[1:] if last else []
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
