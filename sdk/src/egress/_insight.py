"""The methods of EgressService that say what happens to a destination, by looking or by trying."""

from collections.abc import Mapping

from egress import _names as names
from egress._calls import Call, Listing, paged, unary
from egress._durations import duration
from egress.v1.explain_pb2 import ExplainRequest, ExplainResponse, ListRegistryRequest, ListRegistryResponse
from egress.v1.probe_pb2 import ProbeRequest, ProbeResponse

_SERVICE = "/egress.v1.EgressService/"

# A single probe tries a connection again whose evidence was blurred: three times at most.
_FEWEST_ATTEMPTS = 3


class InsightMethods:
    """What happens to a destination, and why."""

    mesh: str

    @paged
    def list_registry(
        self,
        cluster: str,
        *,
        namespace: str = "",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[ListRegistryResponse.Item, ListRegistryResponse]:
        """List the registry as a namespace (empty: `default`) of a cluster sees it: hosts and ports, who registers
        them, who shadows whom. `timeout` holds for each page.
        """
        request = ListRegistryRequest(
            parent=names.cluster(self.mesh, cluster),
            namespace=namespace,
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        call = Call(_SERVICE + "ListRegistry", request, ListRegistryResponse, timeout)
        return Listing(call, lambda page: page.items)

    @unary
    def explain(
        self,
        url: str,
        *,
        cluster: str,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Call[ExplainResponse]:
        """Say what will happen to `url` (http, https, tls or tcp), and by which resource. No traffic is sent.

        It is asked for a workload with `labels` in `namespace` (empty: `default`) of `cluster`.
        """
        request = ExplainRequest(cluster=names.cluster(self.mesh, cluster), namespace=namespace, labels=labels, url=url)
        return Call(_SERVICE + "Explain", request, ExplainResponse, timeout)

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
        """Ask `url` from a workload, as `curl -I` in it would, and get a verdict with its evidence.

        The workload is any with an agent in `cluster` (and `namespace`). `resolve` is an address to
        dial instead of asking DNS. `attempt_timeout` bounds one attempt (10 s where None), `timeout`
        the call (where None, enough for all attempts), in seconds. `count` attempts are made one
        after the other, at most 100: the reply counts their outcomes and has the quantiles of their
        times. With `min_applied_revision` the probe first waits until the cluster holds that
        revision.
        """
        request = ProbeRequest(
            cluster=names.cluster(self.mesh, cluster),
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
            timeout = max(count, _FEWEST_ATTEMPTS) * (attempt_timeout or 10) + 10
        return Call(_SERVICE + "Probe", request, ProbeResponse, timeout)
