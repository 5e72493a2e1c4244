"""Opens a registered cluster with its registered credentials, or with those of this process's pod, and checks that they
suffice."""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, kubernetes_settings
from egress_server.domain.model.errors import PermanentError
from egress_server.ports.identity import Sealer
from egress_server.ports.target import PERMISSIONS_MISSING
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import (
    CREDENTIALS_REFUSED,
    ApiConnection,
    kubeconfig_connection,
    service_account_connection,
)
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import as_target_errors
from egress_server.targets.kubernetes.api.kinds import SECRET, ApiKind
from egress_server.targets.kubernetes.target import Kubernetes

_KEY = "kubeconfig"


async def open_kubernetes(cluster: Cluster, sealer: Sealer) -> Kubernetes:
    """The target of a cluster that can be reached and that we may manage.

    Raises TransientError, and PermanentError such as CREDENTIALS_REFUSED, NOT_IN_CLUSTER or PERMISSIONS_MISSING.
    """
    settings = kubernetes_settings(cluster)
    client = ApiClient(await _connection(settings, sealer))
    try:
        with as_target_errors():
            await check_permissions(client, settings.root_namespace)
    except BaseException:
        await client.close()
        raise
    return Kubernetes(client, cluster)


async def _connection(settings: KubernetesTarget, sealer: Sealer) -> ApiConnection:
    if settings.kubeconfig:
        return await kubeconfig_connection(sealer.open(settings.kubeconfig), settings.context)
    if settings.secret:
        return await kubeconfig_connection(await _secret(settings.secret), settings.context)
    return await service_account_connection()


async def _secret(name: str) -> str:
    """The kubeconfig in a Secret of the cluster that this process runs in."""
    namespace, _, secret = name.partition("/")
    client = ApiClient(await service_account_connection())
    try:
        with as_target_errors():
            found = await client.find(SECRET, namespace, secret)
        return base64.b64decode((found or {})["data"][_KEY]).decode()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        raise PermanentError(CREDENTIALS_REFUSED, f"Secret {name} does not exist or has no text under {_KEY}") from None
    finally:
        await client.close()


_WATCH = ("list", "watch")
_WRITE = ("get", *_WATCH, "create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Permission:
    """To do something with objects of a kind, in one namespace or in all."""

    verb: str
    kind: ApiKind
    namespace: str = ""

    def __str__(self) -> str:
        """Human-readable, such as `list services` or `get configmaps in istio-system`."""
        where = f" in {self.namespace}" if self.namespace else ""
        group = f".{self.kind.group}" if self.kind.group else ""
        return f"{self.verb} {self.kind.plural}{group}{where}"


def required_permissions(root: str) -> Iterator[Permission]:
    """What managing a cluster requires, including kinds that the cluster may not serve."""
    for kind in kinds.MANAGED_KINDS.values():
        yield from (Permission(verb, kind) for verb in _WRITE)
    yield from (Permission(verb, kinds.CONFIG_MAP, root) for verb in _WRITE)
    for kind in (kinds.NAMESPACE, kinds.SERVICE, kinds.SERVICE_CIDR):
        yield from (Permission(verb, kind) for verb in _WATCH)
    for kind in (kinds.POD, kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET):
        yield Permission("list", kind)


async def check_permissions(client: ApiClient, root: str) -> None:
    """Raises PermanentError PERMISSIONS_MISSING, which lists all that are missing."""
    discovery = Discovery(client)
    served = {permission.kind: await discovery.kind(permission.kind) for permission in required_permissions(root)}
    required = [permission for permission in required_permissions(root) if served[permission.kind] is not None]
    allowed = await asyncio.gather(*(_allowed(client, permission) for permission in required))
    missing = [str(permission) for permission, granted in zip(required, allowed, strict=True) if not granted]
    if missing:
        raise PermanentError(PERMISSIONS_MISSING, f"the credentials lack these permissions: {', '.join(missing)}")


async def _allowed(client: ApiClient, permission: Permission) -> bool:
    attributes = {"verb": permission.verb, "group": permission.kind.group, "resource": permission.kind.plural}
    if permission.namespace:
        attributes["namespace"] = permission.namespace
    review = {
        "apiVersion": kinds.ACCESS_REVIEW.api_version,
        "kind": kinds.ACCESS_REVIEW.name,
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    response = await client.create(kinds.ACCESS_REVIEW, review)
    return response["status"]["allowed"] is True
