"""The requests that are measured: upserts of service entries, serialised before the clock runs.

All servers get the very same bytes, so a call costs the client the same whichever server it is for.
"""

from collections.abc import Iterator

from google.protobuf.message import Message

from egress.v1 import egress_service_pb2, service_entry_pb2

UPSERT = "/egress.v1.EgressService/UpsertServiceEntry"
ENTRIES_PER_CALLER = 8
_REQUEST_ID_BYTES = 36  # as long as the UUIDs that the SDK sends


def requests_of(caller: int, round_: int) -> Iterator[bytes]:
    """Requests without end over the caller's own entries.

    Every one changes its entry (also against what earlier rounds left) and has an id of its own: each is a durable
    write, none is a replay and none meets another caller's.
    """
    bodies = [
        _upsert(caller, entry, target_port=1024 + 2 * round_ + variant).SerializeToString()
        for variant in range(2)
        for entry in range(ENTRIES_PER_CALLER)
    ]
    number = 0
    while True:
        for body in bodies:
            yield body + _request_id(f"{round_}-{caller}-{number}")
            number += 1


def _upsert(caller: int, entry: int, target_port: int) -> egress_service_pb2.UpsertServiceEntryRequest:
    """An entry as in the document: one host, plain HTTP and TLS."""
    return egress_service_pb2.UpsertServiceEntryRequest(
        parent="meshes/default/namespaces/bench",
        service_entry_id=f"entry-{caller}-{entry}",
        service_entry=service_entry_pb2.ServiceEntry(
            hosts=[f"host-{caller}-{entry}.example.com"],
            ports=[
                service_entry_pb2.ServicePort(
                    number=80, name="http", protocol=service_entry_pb2.ServicePort.HTTP, target_port=target_port
                ),
                service_entry_pb2.ServicePort(number=443, name="tls", protocol=service_entry_pb2.ServicePort.TLS),
            ],
            resolution=service_entry_pb2.ServiceEntry.DNS,
            location=service_entry_pb2.ServiceEntry.MESH_EXTERNAL,
        ),
    )


def _request_id(text: str) -> bytes:
    """Only the field request_id. Serialized parts of a message may be concatenated."""
    part: Message = egress_service_pb2.UpsertServiceEntryRequest(request_id=text.rjust(_REQUEST_ID_BYTES, "0"))
    return part.SerializeToString()
