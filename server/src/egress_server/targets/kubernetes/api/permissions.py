"""Whether we may do on a cluster what driving it takes: asked once, and told all at once, when it is opened."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.model.errors import PermanentError
from egress_server.ports.target import PERMISSIONS_MISSING
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.kinds import ApiKind

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
