"""Evaluates the sidecar's own configuration for a connection, without making it."""

from egress_server.agents.agent.resolver import Resolver
from egress_server.agents.sidecar.config_reader import Fetch, read_live_report
from egress_server.domain.live.decision import LiveReport, Question, no_report
from egress_server.domain.probe.evidence import Attempt


class Evaluator:
    """Answers what the sidecar would do with an attempt, from its configuration."""

    def __init__(self, resolver: Resolver, fetch: Fetch) -> None:
        self._resolver = resolver
        self._fetch = fetch

    async def __call__(self, attempt: Attempt) -> LiveReport:
        """The report. Without one its cause is NAME_NOT_RESOLVED, ADDRESS_INVALID or SIDECAR_UNREACHABLE."""
        to = attempt.destination
        try:
            targets = await self._resolver(to, attempt.resolve)
        except ValueError as error:
            return no_report("ADDRESS_INVALID", str(error))
        except OSError as error:
            return no_report("NAME_NOT_RESOLVED", f"{to.host} can't be resolved: {error}")
        headers = {name.lower(): value for name, value in attempt.headers.items()}
        question = Question(to, targets[0].dialled[0], attempt.method, headers)
        try:
            return await read_live_report(self._fetch, question)
        except OSError as error:
            return no_report("SIDECAR_UNREACHABLE", str(error) or "the sidecar did not respond in time")
