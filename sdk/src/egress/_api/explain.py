"""What happens to a connection: explain it without traffic, or probe it."""

from collections.abc import Mapping
from typing import Literal

from egress._api import names
from egress._api.fields import duration, enum
from egress._client.calls import Call, unary
from egress.v1.explain_pb2 import ExplainRequest, ExplainResponse
from egress.v1.probe_pb2 import ProbeRequest, ProbeResponse

Basis = Literal["live", "model"]

# A single probe retries a connection whose evidence is inconclusive, up to three attempts in all.
_MIN_ATTEMPTS = 3


class ExplainMethods:
    """What happens to a connection, and why."""

    mesh: str

    @unary
    def explain(
        self,
        url: str,
        *,
        cluster: str,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        resolve: str = "",
        basis: Basis | None = None,
        timeout: float | None = None,
    ) -> Call[ExplainResponse]:
        """Explains what will happen to a connection to `url`, and which resource decides it. Does not send traffic.

        `url` is an http, https, tls or tcp URL. The connection comes from a workload with `labels` in `namespace`
        (default: `default`) of `cluster`. It has `method` and `headers`, and connects to the address `resolve` if that
        is given, as in `probe`. `basis` is "live" for the configuration of the workload's sidecar, which needs an agent
        next to it, or "model" for policy and observed objects; by default it is live if that is possible.
        """
        request = ExplainRequest(
            cluster=names.child(names.mesh(self.mesh), "clusters", cluster),
            namespace=namespace,
            labels=labels,
            url=url,
            method=method,
            headers=headers,
            resolve=resolve,
            basis=enum(ExplainRequest.Basis, basis) if basis else ExplainRequest.BASIS_UNSPECIFIED,
        )
        return Call("/egress.v1.EgressService/Explain", request, ExplainResponse, timeout)

    @unary
    def probe(
        self,
        url: str,
        *,
        cluster: str,
        namespace: str = "",
        method: str = "",
        headers: Mapping[str, str] | None = None,
        resolve: str = "",
        attempt_timeout: float | None = None,
        count: int = 1,
        min_applied_revision: int = 0,
        timeout: float | None = None,
    ) -> Call[ProbeResponse]:
        """Connects to `url` from a workload, as running `curl -I` in it would, and returns a verdict with its evidence.

        The workload is any with an agent in `cluster` (and `namespace`). `resolve` is an address to connect to instead
        of using DNS. `attempt_timeout` limits an attempt (default: 10), `timeout` the call (default: enough for all
        attempts), in seconds. `count` attempts, at most 100, are made one at a time; the reply then counts their
        outcomes and has the quantiles of their timings. With `min_applied_revision` the probe first waits until the
        cluster has applied that revision.
        """
        request = ProbeRequest(
            cluster=names.child(names.mesh(self.mesh), "clusters", cluster),
            namespace=namespace,
            url=url,
            method=method,
            headers=headers,
            resolve=resolve,
            timeout=duration(attempt_timeout),
            min_applied_revision=min_applied_revision,
            count=count if count != 1 else 0,
        )
        if timeout is None:
            timeout = max(count, _MIN_ATTEMPTS) * (attempt_timeout or 10) + 10
        return Call("/egress.v1.EgressService/Probe", request, ProbeResponse, timeout)
