"""An applier's own way to its one Kubernetes cluster: it stands in for whatever the registration says.

So a cluster can be driven from inside with a service account, and its credentials need be kept nowhere else. It also
lets an applier find its cluster when it is started without a store.
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, kubernetes_settings
from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.targets.kubernetes.factory import open_kubernetes
from egress_server.targets.kubernetes.target import Kubernetes


@dataclass(frozen=True, slots=True)
class DirectAccess:
    """To `cluster`, by its id: the service account of our pod, or a `kubeconfig` and its `context`."""

    cluster: str
    kubeconfig: Path | None = None
    context: str = ""

    def registration(self, mesh: str) -> Cluster:
        """The least that is known of the cluster."""
        name = str(Name(mesh, ResourceKind.CLUSTER, self.cluster))
        return Cluster(name, KubernetesTarget())

    async def open(self, cluster: Cluster) -> Kubernetes:
        """The target. Raises as open_kubernetes, and PermanentError where the file can't be read."""
        registered = kubernetes_settings(cluster)
        if self.kubeconfig is None:
            reached = replace(registered, kubeconfig="", secret="", in_cluster=True)
        else:
            try:
                text = await asyncio.to_thread(self.kubeconfig.read_text)
            except (OSError, UnicodeDecodeError) as error:
                raise PermanentError("CREDENTIALS_REFUSED", f"{self.kubeconfig} can't be read: {error}") from None
            reached = replace(registered, kubeconfig=text, context=self.context)
        return await open_kubernetes(replace(cluster, target=reached), _Open())


class _Open:
    """A file of this machine is not sealed (see ports.secrets.Sealer)."""

    def seal(self, text: str) -> str:
        """As it is."""
        return text

    def open(self, sealed: str) -> str:
        """As it is."""
        return sealed
