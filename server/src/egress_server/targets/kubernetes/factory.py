"""Opens a registered cluster: by the credentials that it was registered with, or by those of the pod that we are in."""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.resources import Cluster, KubernetesTarget
from egress_server.ports.identity import Sealer
from egress_server.ports.target import PERMISSIONS_MISSING
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import (
    CREDENTIALS_REFUSED,
    ApiConnection,
    by_kubeconfig,
    by_service_account,
)
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import outside
from egress_server.targets.kubernetes.api.kinds import SECRET, ApiKind
from egress_server.targets.kubernetes.target import Kubernetes

_KEY = "kubeconfig"


async def open_kubernetes(cluster: Cluster, sealer: Sealer) -> Kubernetes:
    """The target of a cluster that can be reached, and that we may drive.

    Raises TransientError, and PermanentError such as CREDENTIALS_REFUSED, NOT_IN_CLUSTER or PERMISSIONS_MISSING.
    """
    settings = cluster.kubernetes or KubernetesTarget()
    client = ApiClient(await _connection(settings, sealer))
    try:
        with outside():
            await check_rights(client, settings.root_namespace)
    except BaseException:
        await client.close()
        raise
    return Kubernetes(client, cluster)


async def _connection(settings: KubernetesTarget, sealer: Sealer) -> ApiConnection:
    if settings.kubeconfig:
        return await by_kubeconfig(sealer.open(settings.kubeconfig), settings.context)
    if settings.secret:
        return await by_kubeconfig(await _secret(settings.secret), settings.context)
    return await by_service_account()


async def _secret(name: str) -> str:
    """The kubeconfig in a Secret of the cluster that we run in."""
    namespace, _, secret = name.partition("/")
    client = ApiClient(await by_service_account())
    try:
        with outside():
            found = await client.find(SECRET, namespace, secret)
        return base64.b64decode((found or {})["data"][_KEY]).decode()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        raise PermanentError(CREDENTIALS_REFUSED, f"there is no Secret {name} with text under {_KEY}") from None
    finally:
        await client.close()


_FOLLOW = ("list", "watch")
_WRITE = ("get", *_FOLLOW, "create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Right:
    """To do something with objects of a kind, in one namespace or in all."""

    verb: str
    kind: ApiKind
    namespace: str = ""

    def __str__(self) -> str:
        """For people, such as `list services` or `get configmaps in istio-system`."""
        where = f" in {self.namespace}" if self.namespace else ""
        group = f".{self.kind.group}" if self.kind.group else ""
        return f"{self.verb} {self.kind.plural}{group}{where}"


def needed(root: str) -> Iterator[Right]:
    """What driving a cluster takes; the parts of a cluster that it does not serve aside."""
    for kind in kinds.WRITTEN.values():
        yield from (Right(verb, kind) for verb in _WRITE)
    yield from (Right(verb, kinds.CONFIG_MAP, root) for verb in _WRITE)
    for kind in (kinds.NAMESPACE, kinds.SERVICE, kinds.SERVICE_CIDR):
        yield from (Right(verb, kind) for verb in _FOLLOW)
    for kind in (kinds.POD, kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET):
        yield Right("list", kind)


async def check_rights(client: ApiClient, root: str) -> None:
    """Raises PermanentError PERMISSIONS_MISSING, which names all that are."""
    discovery = Discovery(client)
    served = {right.kind: await discovery.kind(right.kind) for right in needed(root)}
    wanted = [right for right in needed(root) if served[right.kind] is not None]
    allowed = await asyncio.gather(*(_allowed(client, right) for right in wanted))
    missing = [str(right) for right, may in zip(wanted, allowed, strict=True) if not may]
    if missing:
        raise PermanentError(PERMISSIONS_MISSING, f"the credentials lack these rights: {', '.join(missing)}")


async def _allowed(client: ApiClient, right: Right) -> bool:
    attributes = {"verb": right.verb, "group": right.kind.group, "resource": right.kind.plural}
    if right.namespace:
        attributes["namespace"] = right.namespace
    review = {
        "apiVersion": kinds.ACCESS_REVIEW.api_version,
        "kind": kinds.ACCESS_REVIEW.name,
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.create(kinds.ACCESS_REVIEW, review)
    return answer["status"]["allowed"] is True
