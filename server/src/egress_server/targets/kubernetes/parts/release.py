"""Giving an object back: it is replaced as it is to be, and nothing in it speaks of us any more."""

from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Client, Object
from egress_server.targets.kubernetes.api.kinds import Kind
from egress_server.targets.kubernetes.ownership import mentions_us, without_us


async def give_back(client: Client, kind: Kind, raw: Object, restored: Object, manager: str = "") -> Object:
    """Replaces `raw` by what it is to be, by its version. What is put back is `manager`'s again, where it is known who
    that was."""
    if restored == raw and not mentions_us(raw):
        return raw
    answer = await client.replace(kind, without_us(restored), manager=manager or FIELD_MANAGER)
    # What was put back in our own name is nobody's then.
    return await client.replace(kind, without_us(answer)) if mentions_us(answer) else answer
