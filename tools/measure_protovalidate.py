"""CPU time of validating one SetOutboundPolicyRequest: protovalidate, and the rules of the server.

docs/adr/0019-rules-in-the-domain.md has the commands and the results.
"""

import sys
import time
import timeit
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import protovalidate  # type: ignore[import-not-found]
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)
from protovalidate._gen.buf.validate import validate_pb  # type: ignore[import-not-found]

from egress.v1 import egress_service_pb2
from egress_server.domain.validate import Problems, check_resource
from egress_server.wire import METHODS
from egress_server.wire.grammar.options import read_options

LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
LABELS = {
    "map": {
        "max_pairs": 64,
        "keys": {"string": {"pattern": f"^(?:[a-z0-9.-]{{1,253}}/)?{LABEL.replace('a-z', 'A-Za-z')}$"}},
        "values": {"string": {"pattern": "^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"}},
    }
}
RULES: dict[str, dict[str, Any]] = {
    "OutboundPolicy.mode": {"enum": {"not_in": [0], "defined_only": True}},
    "Scope.namespace": {"string": {"pattern": f"^(?:{LABEL})?$"}},
    "Scope.match_labels": LABELS,
    "ClusterSelector.clusters": {"repeated": {"max_items": 1000, "items": {"string": {"pattern": f"^{LABEL}$"}}}},
    "ClusterSelector.match_labels": LABELS,
    "SetOutboundPolicyRequest.outbound_policy": {"required": True},
    "SetOutboundPolicyRequest.request_id": {"string": {"max_len": 128, "pattern": "^[!-~]*$"}},
    "SetOutboundPolicyRequest.etag": {"string": {"max_len": 128, "pattern": "^[!-~]*$"}},
    "SetOutboundPolicyRequest.reason": {"string": {"max_bytes": 1024}},
    "SetOutboundPolicyRequest.suppress_findings": {
        "repeated": {"max_items": 32, "items": {"string": {"pattern": "^EGR[0-9]{4}$"}}}
    },
}


def fill(message: Any, fields: dict[str, Any]) -> None:
    """Sets the fields of a message."""
    for name, value in fields.items():
        if isinstance(value, dict):
            fill(getattr(message, name), value)
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)


def annotated_request() -> Any:
    """The request type of a contract with RULES."""
    pool = descriptor_pool.DescriptorPool()
    for known in (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary()))
    options_type = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    rules_of = pool.FindExtensionByName("buf.validate.field")
    contract = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(contract).file:
        if file.package == "egress.v1":
            file.dependency.append("buf/validate/validate.proto")
        for message in file.message_type:
            for field in message.field:
                if rules := RULES.get(f"{message.name}.{field.name}"):
                    options: Any = options_type.FromString(field.options.SerializeToString())
                    fill(options.Extensions[rules_of], rules)
                    field.options.ParseFromString(options.SerializeToString())
        if not file.name.startswith("google/protobuf/"):
            pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("egress.v1.SetOutboundPolicyRequest"))


def filled(request_type: Any) -> Any:
    """A usual request."""
    request = request_type(parent="meshes/default", request_id="3f2c7b1e9d5a4c6f", reason="registered services only")
    request.outbound_policy.mode = 2
    request.outbound_policy.scope.namespace = "prod"
    request.outbound_policy.scope.match_labels["app"] = "shop"
    request.outbound_policy.cluster_selector.match_labels["env"] = "prod"
    return request


def microseconds(function: Callable[[], object]) -> float:
    """CPU time of a call: the best of nine rounds."""
    return min(timeit.repeat(function, timer=time.process_time, number=20_000, repeat=9)) / 20_000 * 1e6


def main() -> None:
    """Prints the times."""
    annotated, plain = filled(annotated_request()), filled(egress_service_pb2.SetOutboundPolicyRequest)
    begin = time.process_time()
    validator = protovalidate.Validator()
    validator.validate(annotated)
    first = time.process_time() - begin
    decode: Any = METHODS["/egress.v1.EgressService/SetOutboundPolicy"].decode
    mutation = decode(plain)

    def rules() -> None:
        problems = Problems()
        check_resource(mutation.resource, problems.at("outbound_policy"))
        problems.raise_if_any()

    def options() -> None:
        read_options(plain, mutation.type, mutation.name, mutation.resource, Problems())

    print(f"Python {sys.version.split()[0]}, protobuf {version('protobuf')}, protovalidate {version('protovalidate')}")
    print(f"protovalidate     {microseconds(lambda: validator.validate(annotated)):6.1f} us, first call {first:.3f} s")
    print(f"rules of a policy {microseconds(rules):6.1f} us")
    print(f"options, digest   {microseconds(options):6.1f} us")
    print(f"whole decode      {microseconds(lambda: decode(plain)):6.1f} us")


if __name__ == "__main__":
    main()
