"""Opens a registered cluster: by the credentials that it was registered with, or by those of the pod that we are in."""

import base64
import binascii

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, kubernetes_settings
from egress_server.domain.model.errors import PermanentError
from egress_server.ports.identity import Sealer
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import (
    CREDENTIALS_REFUSED,
    ApiConnection,
    by_kubeconfig,
    by_service_account,
)
from egress_server.targets.kubernetes.api.errors import outside
from egress_server.targets.kubernetes.api.kinds import SECRET
from egress_server.targets.kubernetes.api.permissions import check_rights
from egress_server.targets.kubernetes.target import Kubernetes

_KEY = "kubeconfig"


async def open_kubernetes(cluster: Cluster, sealer: Sealer) -> Kubernetes:
    """The target of a cluster that can be reached, and that we may drive.

    Raises TransientError, and PermanentError such as CREDENTIALS_REFUSED, NOT_IN_CLUSTER or PERMISSIONS_MISSING.
    """
    settings = kubernetes_settings(cluster)
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
