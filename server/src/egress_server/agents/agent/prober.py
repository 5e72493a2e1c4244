"""One connection, made as an application would make it, with everything that was seen of it.

The order matters: nothing is dialled before every address is known and allowed, both those that the agent would dial
and those that the sidecar would send it to (it goes by Host and server name, not by the dialled address).
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import h11

from egress_server.agents.agent.connection import ProbeTask, Progress, connect
from egress_server.agents.agent.dialer import Dialer, NoRoute
from egress_server.agents.agent.http_head import request
from egress_server.agents.agent.resolver import DialTarget, Endpoint, Resolver, why_not_api_server
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.domain.probe.judge import shares_port

_METHODS = frozenset({"HEAD", "GET"})


class ProbeRefused(Exception):
    """The agent makes no connection, or tells nothing of it, for an UPPER_SNAKE reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Prober:
    """Makes attempts, one after the other: the sidecar's counters don't tell two of them apart."""

    def __init__(self, resolver: Resolver, dialer: Dialer, sidecar: EnvoySidecar, *, version: str) -> None:
        self._resolver = resolver
        self._dialer = dialer
        self._sidecar = sidecar
        self._user_agent = f"mesh-egress-probe/{version}"
        self._turn = asyncio.Lock()

    async def __call__(self, attempt: Attempt) -> Evidence:
        """Makes the connection. What goes wrong is evidence; the agent's own refusals have a reason:
        METHOD_FORBIDDEN, REQUEST_INVALID, ADDRESS_FORBIDDEN, NO_ROUTE, SIDECAR_UNREACHABLE.
        """
        async with self._turn:
            try:
                return await self._attempt(attempt)
            except ProbeRefused as refused:
                return Evidence(captured=False, refused=refused.reason, refused_message=refused.message)

    async def _attempt(self, attempt: Attempt) -> Evidence:
        message = self._request(attempt)
        progress = Progress(asyncio.get_running_loop().time() + attempt.timeout)
        try:
            places = await self._places(attempt, progress)
        except OSError as error:
            return Evidence(captured=False, error=progress.what_failed(error), timings=progress.timings())
        self._check(place.upstream for place in places)
        if attempt.resolve:
            self._check((place.dialled[0], place.upstream[1]) for place in places)
        try:
            return await self._watched(places[0], attempt, message, progress)
        except NoRoute as error:
            raise ProbeRefused("NO_ROUTE", str(error)) from error
        except OSError as error:
            raise ProbeRefused(
                "SIDECAR_UNREACHABLE", f"the sidecar does not answer: {str(error) or 'timed out'}"
            ) from error

    async def _watched(
        self, place: DialTarget, attempt: Attempt, message: h11.Request | None, progress: Progress
    ) -> Evidence:
        destination = attempt.destination
        watch = await self._sidecar.watch(destination, place.dialled[0], _headers(message))
        upstreams = ((host.address, host.port) for host in watch.upstreams())
        self._check((place.upstream, *upstreams), watch.api_server)
        evidence = await connect(self._dialer, place, ProbeTask(destination, message, watch.has_left), progress)
        moves = await watch.finish()
        # Names may resolve otherwise in between. Then nothing of what was seen is told.
        taken = (h for h in moves.hosts if shares_port(h.cluster, destination) or watch.may_carry(h.cluster))
        self._check(((host.address, host.port) for host in taken), watch.api_server)
        return replace(
            evidence,
            upstreams=moves.upstreams,
            warming_clusters=moves.warming,
            live_faults=watch.route.faults,
            routed_to=watch.route.clusters,
            unknown_clusters=moves.unknown,
        )

    def _request(self, attempt: Attempt) -> h11.Request | None:
        """What to send; None where the connection itself is the question."""
        to = attempt.destination
        if to.only_connects:
            return None
        if attempt.method not in _METHODS:
            raise ProbeRefused("METHOD_FORBIDDEN", f"{attempt.method} is neither HEAD nor GET")
        try:
            return request(attempt.method, to.path, to.authority, attempt.headers, self._user_agent)
        except ValueError as error:
            raise ProbeRefused("REQUEST_INVALID", str(error)) from error

    async def _places(self, attempt: Attempt, progress: Progress) -> Sequence[DialTarget]:
        try:
            async with asyncio.timeout_at(progress.deadline):
                with progress.part("resolve"):
                    return await self._resolver(attempt.destination, attempt.resolve)
        except ValueError as error:
            raise ProbeRefused("ADDRESS_FORBIDDEN", str(error)) from error

    def _check(self, endpoints: Iterable[Endpoint], api_server: Collection[str] = ()) -> None:
        """`api_server` are addresses of the API server that only the sidecar knows."""
        for endpoint in endpoints:
            if why := self._resolver.why_forbidden(endpoint):
                raise ProbeRefused("ADDRESS_FORBIDDEN", why)
            if endpoint[0] in api_server:
                raise ProbeRefused("ADDRESS_FORBIDDEN", why_not_api_server(endpoint[0]))


def _headers(message: h11.Request | None) -> dict[str, str]:
    """What a route may look at, by lower-case name."""
    if message is None:
        return {}
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message.headers}
    return {**headers, ":method": message.method.decode(), ":authority": headers["host"]}
