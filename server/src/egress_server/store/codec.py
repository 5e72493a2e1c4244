"""Between the domain's dataclasses and the bytes in Redis.

The stored form is JSON straight from the dataclasses. Unknown fields are ignored, so an older server reads what a
newer one wrote. A resource's value is `create_ms update_ms revision deleted JSON`, which commit.lua builds.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from egress_server.domain.changes import ChangeRecord, Versioned
from egress_server.domain.inventory import Inventory
from egress_server.domain.names import Kind, parse_name
from egress_server.domain.resources import Cluster, Fault, Interception, Mesh, OutboundPolicy, Resource, ServiceEntry
from egress_server.domain.rollout import ClusterStatus

_encoder = msgspec.json.Encoder()
_resource_decoders: dict[Kind, msgspec.json.Decoder[Any]] = {
    Kind.MESH: msgspec.json.Decoder(Mesh),
    Kind.CLUSTER: msgspec.json.Decoder(Cluster),
    Kind.OUTBOUND_POLICY: msgspec.json.Decoder(OutboundPolicy),
    Kind.SERVICE_ENTRY: msgspec.json.Decoder(ServiceEntry),
    Kind.FAULT: msgspec.json.Decoder(Fault),
    Kind.INTERCEPTION: msgspec.json.Decoder(Interception),
}
_record_decoder = msgspec.json.Decoder(ChangeRecord)
_status_decoder = msgspec.json.Decoder(ClusterStatus)
_inventory_decoder = msgspec.json.Decoder(Inventory)


def encode(value: Resource | ChangeRecord | ClusterStatus | Inventory) -> bytes:
    """The stored form."""
    return _encoder.encode(value)


def decode_record(data: bytes) -> ChangeRecord:
    """A stored change record."""
    return _record_decoder.decode(data)


def decode_status(data: bytes) -> ClusterStatus:
    """A stored record of a cluster."""
    return _status_decoder.decode(data)


def decode_inventory(data: bytes) -> Inventory:
    """A stored record of what a cluster holds besides ours."""
    return _inventory_decoder.decode(data)


def decode_versioned(name: str, value: bytes) -> Versioned:
    """The stored value of the resource called `name`."""
    create_ms, update_ms, revision, deleted, data = value.split(b" ", 4)
    resource: Resource = _resource_decoders[parse_name(name).kind].decode(data)
    return Versioned(resource, int(revision), from_ms(int(create_ms)), from_ms(int(update_ms)), deleted == b"1")


def content_of(value: bytes) -> bytes:
    """The JSON in a stored value."""
    return value.split(b" ", 4)[4]


def from_ms(milliseconds: int) -> datetime:
    """A time by the store's clock."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def content_digest(resource: bytes) -> str:
    """What the audit record says of the resource's new state."""
    return sha256(resource).hexdigest()


def record_digest(record: bytes, content: str) -> str:
    """The digest of an audit record: it covers who, what and why, and by `content` the resource itself."""
    return sha256(record + content.encode()).hexdigest()
