"""Probes from within a workload's network namespace: an attempt per line of standard input, a verdict per line of
output."""

import asyncio
import json
import sys
from typing import Any

from egress_server.agents.agent.main import VERSION
from egress_server.agents.agent.pod_dialer import PodDialer, own_ports
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Resolver
from egress_server.agents.sidecar.envoy_admin import AdminPages, EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination
from egress_server.domain.probe.judge import judge

_CAPTURE_PORT, _ADMIN = 15001, ("127.0.0.1", 15000)


def main() -> None:
    """Answers until the input ends."""
    sidecar = EnvoySidecar(AdminPages(*_ADMIN).get)
    prober = Prober(Resolver({}), PodDialer(own_ports(), _CAPTURE_PORT), sidecar, version=VERSION)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(runner.run(_probe(prober, json.loads(line)))) + "\n")
            sys.stdout.flush()


async def _probe(prober: Prober, asked: Any) -> dict[str, Any]:
    attempt = Attempt(Destination(**asked.pop("destination")), **asked)
    evidence = await prober(attempt)
    verdict = judge(attempt.destination, evidence)
    return {
        "outcome": verdict.outcome.value,
        "upstream": verdict.upstream,
        "routed_by": verdict.routed_by,
        "reply": verdict.reply.value,
        "causes": [f"{cause.code}: {cause.evidence}" for cause in verdict.causes],
        "refused": evidence.refused,
    }


if __name__ == "__main__":
    main()
