"""Converts probe requests, and the results of probes, explanations and the registry."""

import re
import shlex
from collections.abc import Mapping
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

from egress.v1 import explain_pb2, probe_pb2
from egress_server.contract.common import write_duration, write_finding, write_time
from egress_server.contract.live import report_to_proto
from egress_server.domain.explain.candidates import Candidate
from egress_server.domain.explain.explain import Explanation
from egress_server.domain.model.limits import MAX_PROBE_HEADER_VALUE, MAX_PROBE_HEADERS, MAX_URL
from egress_server.domain.probe.evidence import Attempt, Destination
from egress_server.domain.probe.verdicts import Expectation, Quantiles
from egress_server.domain.simulate.registry import RegistryItem
from egress_server.domain.validate import Problems

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_DNS_NAME = re.compile(r"(?=.{1,254}\Z)[a-z0-9_][-a-z0-9_]{0,62}(?:\.[a-z0-9_][-a-z0-9_]{0,62})*\.?")
_METHODS = ("HEAD", "GET")
_SCHEMES = ("http", "https", "tls", "tcp")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Set by the probe itself, or about the connection rather than the request.
_OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "expect"})


def read_destination(url: str, problems: Problems) -> Destination:
    """The destination of a URL; a placeholder if the URL is invalid."""
    placeholder = Destination("http", "invalid", 80)
    if not url:
        problems.add("must be an http, https, tls or tcp URL")
        return placeholder
    if len(url) > MAX_URL or any(ord(char) <= 32 or ord(char) >= 127 for char in url):
        problems.add(f"must be at most {MAX_URL} printable ASCII characters without spaces")
        return placeholder
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        problems.add(f"is not a valid URL: {error}")
        return placeholder
    if problem := _url_problem(parts, port):
        problems.add(problem)
        return placeholder
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORTS:
        return Destination(parts.scheme, host, port or 0)
    path = parts.path or "/"
    return Destination(
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORTS[parts.scheme],
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def _url_problem(parts: SplitResult, port: int | None) -> str | None:
    if parts.scheme not in _SCHEMES:
        return "must begin with http://, https://, tls:// or tcp://"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password"
    if not _is_host(parts.hostname or ""):
        return "must have a DNS name or an IP address as its host"
    if port == 0:
        return "port 0 must be 1 to 65535"
    if parts.scheme not in _DEFAULT_PORTS:
        return _address_problem(parts, port)
    return None


def _address_problem(parts: SplitResult, port: int | None) -> str | None:
    """The problem of a tls or tcp URL, which only connects."""
    if port is None:
        return f"must have a port, as in {parts.scheme}://{parts.hostname}:443"
    if parts.path not in {"", "/"} or parts.query:
        return f"must be {parts.scheme}://HOST:PORT; only http and https URLs can have a path"
    return None


def _is_host(text: str) -> bool:
    if ":" not in text:
        return _DNS_NAME.fullmatch(text) is not None
    try:
        return "%" not in text and bool(IPv6Address(text))
    except ValueError:
        return False


def read_attempt(
    request: probe_pb2.ProbeRequest, destination: Destination, timeout: float, problems: Problems
) -> Attempt:
    """The attempt that a request describes."""
    method, headers = read_http(request, destination, problems)
    if method not in _METHODS:
        problems.at("method").add("must be HEAD or GET: a probe changes nothing at its destination")
    return Attempt(destination, method, headers, request.resolve, timeout)


def read_http(
    request: probe_pb2.ProbeRequest | explain_pb2.ExplainRequest, destination: Destination, problems: Problems
) -> tuple[str, dict[str, str]]:
    """Method and headers of the HTTP request."""
    method, headers = request.method or "HEAD", dict(request.headers)
    if headers and destination.only_connects:
        problems.at("headers").add(f"cannot be used with a {destination.scheme} URL: no request is sent")
    _check_headers(headers, problems.at("headers"))
    return method, headers


def _check_headers(headers: dict[str, str], problems: Problems) -> None:
    if len(headers) > MAX_PROBE_HEADERS:
        problems.add(f"has {len(headers)}; at most {MAX_PROBE_HEADERS} are allowed")
    for name, value in sorted(headers.items()):
        if not _TOKEN.fullmatch(name):
            problems.key(name[:64]).add("must be a valid header name")
        elif name.lower() in _OWN_HEADERS:
            problems.key(name).add("is set by the probe and cannot be overridden")
        if len(value) > MAX_PROBE_HEADER_VALUE or any(ord(char) < 32 or ord(char) >= 127 for char in value):
            problems.key(name[:64]).add(
                f"the value must be at most {MAX_PROBE_HEADER_VALUE} printable ASCII characters"
            )


def write_expectation(expected: Expectation) -> probe_pb2.ProbeResponse.Expectation:
    """What should happen according to policy."""
    return probe_pb2.ProbeResponse.Expectation(
        outcome=probe_pb2.ProbeResponse.Outcome.Value(expected.outcome.value),
        resource=expected.resource,
        revision=expected.revision,
        also=[probe_pb2.ProbeResponse.Outcome.Value(outcome.value) for outcome in expected.also],
        upstreams=[
            probe_pb2.ProbeResponse.Upstream(host=each.host, port=each.port, subset=each.subset)
            for each in expected.upstreams
        ],
        routed_by=expected.routed_by,
        fault_percent=expected.fault_percent,
    )


def curl_command(attempt: Attempt) -> str:
    """An equivalent curl command. It does not verify certificates, since the probe is about the mesh."""
    destination = attempt.destination
    if destination.only_connects:
        words = ["curl", "-sSv"]
    else:
        words = ["curl", "-sS", "-o", "/dev/null", "-D", "-"] if attempt.method == "GET" else ["curl", "-sSI"]
    if destination.speaks_tls:
        words += ["-k", "--http1.1"]
    for name, value in attempt.headers.items():
        words += ["-H", shlex.quote(f"{name}: {value}")]
    if attempt.resolve:
        words += ["--resolve", shlex.quote(f"{destination.host}:{destination.port}:{attempt.resolve}")]
    # curl has no scheme that only connects. telnet works for TCP; for TLS the handshake of https is what matters.
    scheme = {"tcp": "telnet", "tls": "https"}.get(destination.scheme, destination.scheme)
    url = f"{scheme}{destination.url.removeprefix(destination.scheme)}"
    words += ["--max-time", f"{attempt.timeout:g}", shlex.quote(url)]
    return " ".join(words)


def write_quantiles(quantiles: Quantiles | None) -> probe_pb2.ProbeResponse.Quantiles | None:
    """The distribution of durations."""
    if quantiles is None:
        return None
    return probe_pb2.ProbeResponse.Quantiles(
        min=write_duration(quantiles.min),
        p50=write_duration(quantiles.p50),
        p90=write_duration(quantiles.p90),
        p99=write_duration(quantiles.p99),
        max=write_duration(quantiles.max),
    )


def write_explanation(explanation: Explanation, agent: str = "") -> explain_pb2.ExplainResponse:
    """An explanation; `agent` has evaluated the sidecar's configuration, if that is its basis."""
    request = explain_pb2.ExplainRequest
    response = explain_pb2.ExplainResponse(
        expected=write_expectation(explanation.expected),
        steps=explanation.steps,
        candidates=map(_write_candidate, explanation.candidates),
        findings=map(write_finding, explanation.findings),
        revision=explanation.revision,
        basis=request.LIVE if explanation.live else request.MODEL,
        basis_time=None if explanation.live else write_time(explanation.observe_time),
        agent=agent,
        live=report_to_proto(explanation.live) if explanation.live else None,
    )
    if explanation.live and explanation.live.updated:
        response.basis_time.FromJsonString(explanation.live.updated)
    return response


def write_item(item: RegistryItem, managers: Mapping[str, str]) -> explain_pb2.ListRegistryResponse.Item:
    """A host and port in the registry."""
    return explain_pb2.ListRegistryResponse.Item(
        host=item.host,
        port=item.port.number,
        protocol=item.port.protocol.value,
        owner=item.entry.name,
        visible=item.visible,
        shadowed_by=item.shadowed_by,
        reason=item.reason,
        owner_kind=explain_pb2.ListRegistryResponse.OwnerKind.Value(item.owner_kind.value),
        manager=managers.get(item.entry.name, ""),
    )


def _write_candidate(candidate: Candidate) -> explain_pb2.ExplainResponse.Candidate:
    return explain_pb2.ExplainResponse.Candidate(
        resource=candidate.resource, revision=candidate.revision, wins=candidate.wins, reason=candidate.reason
    )
