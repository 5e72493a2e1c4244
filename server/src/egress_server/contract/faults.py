"""Converts faults."""

from egress.v1 import fault_pb2 as pb
from egress_server.contract.common import (
    read_headers,
    read_optional_seconds,
    read_seconds,
    read_selector,
    read_string_match,
    write_duration,
    write_headers,
    write_selector,
    write_string_match,
    write_time,
)
from egress_server.domain.desired.effective import expire_time
from egress_server.domain.model.changes import Versioned, make_etag
from egress_server.domain.model.limits import DEFAULT_FAULT_TTL
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import Abort, Delay, Fault

_ALWAYS = 100.0


def read_fault(message: pb.Fault, name: str) -> Fault:
    """The fault with its host in its normal form."""
    ttl = read_optional_seconds(message, "ttl")
    return Fault(
        name=name,
        host=normal_host(message.host),
        ttl=DEFAULT_FAULT_TTL if ttl is None else ttl,
        delay=_read_delay(message.delay) if message.HasField("delay") else None,
        abort=_read_abort(message.abort) if message.HasField("abort") else None,
        ports=tuple(message.ports),
        match_headers=read_headers(message.match_headers),
        source_labels=dict(message.source_labels),
        source_namespace=message.source_namespace,
        cluster_selector=read_selector(message.cluster_selector),
        match_uri=read_string_match(message, "match_uri"),
        match_method=read_string_match(message, "match_method"),
        match_authority=read_string_match(message, "match_authority"),
    )


def write_fault(versioned: Versioned[Fault], epoch: str) -> pb.Fault:
    """The fault at a revision. A cleared fault expired when it was cleared."""
    fault = versioned.resource
    end = versioned.update_time if versioned.deleted else expire_time(versioned)
    return pb.Fault(
        name=fault.name,
        host=fault.host,
        delay=_write_delay(fault.delay),
        abort=_write_abort(fault.abort),
        ports=fault.ports,
        match_headers=write_headers(fault.match_headers),
        source_labels=fault.source_labels,
        source_namespace=fault.source_namespace,
        ttl=write_duration(fault.ttl),
        expire_time=write_time(end),
        cluster_selector=write_selector(fault.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
        match_uri=write_string_match(fault.match_uri),
        match_method=write_string_match(fault.match_method),
        match_authority=write_string_match(fault.match_authority),
    )


def _read_delay(message: pb.Fault.Delay) -> Delay:
    return Delay(read_seconds(message.fixed_delay), message.percent if message.HasField("percent") else _ALWAYS)


def _write_delay(delay: Delay | None) -> pb.Fault.Delay | None:
    if delay is None:
        return None
    return pb.Fault.Delay(percent=delay.percent, fixed_delay=write_duration(delay.seconds))


def _read_abort(message: pb.Fault.Abort) -> Abort:
    percent = message.percent if message.HasField("percent") else _ALWAYS
    return Abort(message.http_status, message.grpc_status, percent)


def _write_abort(abort: Abort | None) -> pb.Fault.Abort | None:
    if abort is None:
        return None
    if abort.grpc_status:
        return pb.Fault.Abort(percent=abort.percent, grpc_status=abort.grpc_status)
    return pb.Fault.Abort(percent=abort.percent, http_status=abort.http_status)
