"""Makes one connection as an application would, and collects everything observed about it.

The order matters: nothing is dialled before every address is known and allowed, both those that the agent would dial
and those that the sidecar would connect to (it goes by Host and server name, not by the dialled address).
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import h11

from egress_server.agents.agent.connection import ProbeTask, Progress, connect
from egress_server.agents.agent.dialer import Dialer, NoRoute
from egress_server.agents.agent.http_head import request
from egress_server.agents.agent.resolver import DialTarget, Endpoint, Resolver, api_server_message
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.live.decision import Question
from egress_server.domain.probe.clusters import shares_port
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence

_METHODS = frozenset({"HEAD", "GET"})


class ProbeRefused(Exception):
    """The agent makes no connection, or does not report it, for an UPPER_SNAKE reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Prober:
    """Makes attempts, one after the other: the sidecar's counters don't distinguish two of them."""

    def __init__(self, resolver: Resolver, dialer: Dialer, sidecar: EnvoySidecar, *, version: str) -> None:
        self._resolver = resolver
        self._dialer = dialer
        self._sidecar = sidecar
        self._user_agent = f"mesh-egress-probe/{version}"
        self._lock = asyncio.Lock()

    async def __call__(self, attempt: Attempt) -> Evidence:
        """Makes the connection. Failures are evidence; the agent's own refusals have a reason: METHOD_FORBIDDEN,
        REQUEST_INVALID, ADDRESS_FORBIDDEN, RESOLVE_UNUSED, RESOLVED_BY_SIDECAR, NO_ROUTE, SIDECAR_UNREACHABLE."""
        async with self._lock:
            try:
                return await self._attempt(attempt)
            except ProbeRefused as refused:
                return Evidence(captured=False, refused=refused.reason, refused_message=refused.message)

    async def _attempt(self, attempt: Attempt) -> Evidence:
        message = self._request(attempt)
        progress = Progress(asyncio.get_running_loop().time() + attempt.timeout)
        try:
            targets = await self._targets(attempt, progress)
        except OSError as error:
            return Evidence(captured=False, error=progress.describe(error), timings=progress.timings())
        self._check(target.upstream for target in targets)
        if attempt.resolve:
            self._check((target.dialled[0], target.upstream[1]) for target in targets)
        try:
            return await self._probe(targets[0], attempt, message, progress)
        except NoRoute as error:
            raise ProbeRefused("NO_ROUTE", str(error)) from error
        except OSError as error:
            raise ProbeRefused(
                "SIDECAR_UNREACHABLE", f"the sidecar did not respond: {str(error) or 'timed out'}"
            ) from error

    async def _probe(
        self, target: DialTarget, attempt: Attempt, message: h11.Request | None, progress: Progress
    ) -> Evidence:
        destination = attempt.destination
        watch = await self._sidecar.watch(_question(target, destination, message))
        upstreams = ((host.address, host.port) for host in watch.upstreams())
        self._check((target.upstream, *upstreams), watch.api_server)
        _refuse_unknown_upstream(watch.route.resolving, attempt)
        evidence = await connect(self._dialer, target, ProbeTask(destination, message, watch.has_connected), progress)
        changes = await watch.finish()
        # Names may resolve differently meanwhile. Then nothing of what was observed is reported.
        used = (h for h in changes.hosts if shares_port(h.cluster, destination) or watch.may_serve(h.cluster))
        self._check(((host.address, host.port) for host in used), watch.api_server)
        route = changes.route
        return replace(
            evidence,
            upstreams=changes.upstreams,
            warming_clusters=route.warming,
            live_faults=route.faults,
            routed_to=route.clusters,
            unknown_clusters=route.unknown,
            routed_by=route.owners,
            route_answers=route.answers,
            tls_clusters=route.tls if evidence.failed else (),
        )

    def _request(self, attempt: Attempt) -> h11.Request | None:
        """What to send; None if the connection itself is the question."""
        to = attempt.destination
        if to.only_connects:
            return None
        if attempt.method not in _METHODS:
            raise ProbeRefused("METHOD_FORBIDDEN", f"{attempt.method} must be HEAD or GET")
        try:
            return request(attempt.method, to.path, to.authority, attempt.headers, self._user_agent)
        except ValueError as error:
            raise ProbeRefused("REQUEST_INVALID", str(error)) from error

    async def _targets(self, attempt: Attempt, progress: Progress) -> Sequence[DialTarget]:
        try:
            async with asyncio.timeout_at(progress.deadline):
                with progress.timed("resolve"):
                    return await self._resolver(attempt.destination, attempt.resolve)
        except ValueError as error:
            raise ProbeRefused("ADDRESS_FORBIDDEN", str(error)) from error

    def _check(self, endpoints: Iterable[Endpoint], api_server: Collection[str] = ()) -> None:
        """`api_server` are addresses of the API server that only the sidecar knows."""
        for endpoint in endpoints:
            if problem := self._resolver.why_forbidden(endpoint):
                raise ProbeRefused("ADDRESS_FORBIDDEN", problem)
            if endpoint[0] in api_server:
                raise ProbeRefused("ADDRESS_FORBIDDEN", api_server_message(endpoint[0]))


def _refuse_unknown_upstream(resolving: Sequence[str], attempt: Attempt) -> None:
    """If the sidecar looks the host up itself (DYNAMIC_DNS), its answer may differ from the agent's, and lead to a
    forbidden address."""
    if not resolving:
        return
    host, clusters = attempt.destination.host, ", ".join(resolving)
    if attempt.resolve:
        message = f"the sidecar looks up {host} itself ({clusters}) and would not use the address {attempt.resolve}"
        raise ProbeRefused("RESOLVE_UNUSED", message)
    raise ProbeRefused(
        "RESOLVED_BY_SIDECAR", f"the sidecar looks up {host} itself ({clusters}), whatever that leads to"
    )


def _question(target: DialTarget, destination: Destination, message: h11.Request | None) -> Question:
    """The attempt, as the sidecar's configuration is asked about it."""
    if message is None:
        return Question(destination, target.dialled[0])
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message.headers}
    return Question(destination, target.dialled[0], message.method.decode(), headers)
