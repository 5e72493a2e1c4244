"""One good request for each method of the contract."""

from google.protobuf.message import Message

from egress.v1 import (
    change_service_pb2,
    cluster_pb2,
    common_pb2,
    egress_service_pb2,
    fleet_service_pb2,
    outbound_policy_pb2,
    service_entry_pb2,
)
from egress.v1.probe_pb2 import ProbeRequest

MESH = "meshes/default"
POLICY = f"{MESH}/outboundPolicies/default"
ENTRY = f"{MESH}/namespaces/prod/serviceEntries/bank"
CLUSTER = f"{MESH}/clusters/east"
CHANGE = f"{MESH}/changes/7"


def outbound_policy() -> outbound_policy_pb2.OutboundPolicy:
    """A policy with all that a caller may set but its name."""
    return outbound_policy_pb2.OutboundPolicy(
        mode=outbound_policy_pb2.OutboundPolicy.REGISTRY_ONLY,
        scope=common_pb2.Scope(namespace="prod", match_labels={"app": "shop"}),
        cluster_selector=common_pb2.ClusterSelector(match_labels={"env": "prod"}),
    )


def service_entry() -> service_entry_pb2.ServiceEntry:
    """An entry with all that a caller may set but its name."""
    pb = service_entry_pb2
    return pb.ServiceEntry(
        hosts=["bank.example.com"],
        ports=[pb.ServicePort(number=443, name="https", protocol=pb.ServicePort.HTTPS, target_port=8443)],
        resolution=pb.ServiceEntry.STATIC,
        location=pb.ServiceEntry.MESH_EXTERNAL,
        endpoints=[
            pb.Endpoint(address="203.0.113.7", ports={"https": 8443}, labels={"v": "1"}, locality="eu/west", weight=2)
        ],
        addresses=["198.51.100.0/24"],
        export_to=[".", "shop"],
        cluster_selector=common_pb2.ClusterSelector(clusters=["east"]),
    )


def requests() -> dict[str, Message]:
    """By the method's path."""
    egress, fleet, change = egress_service_pb2, fleet_service_pb2, change_service_pb2
    return {
        "/egress.v1.EgressService/SetOutboundPolicy": egress.SetOutboundPolicyRequest(
            parent=MESH, outbound_policy=outbound_policy()
        ),
        "/egress.v1.EgressService/GetOutboundPolicy": egress.GetOutboundPolicyRequest(name=POLICY),
        "/egress.v1.EgressService/ListOutboundPolicies": egress.ListOutboundPoliciesRequest(parent=MESH),
        "/egress.v1.EgressService/DeleteOutboundPolicy": egress.DeleteOutboundPolicyRequest(name=POLICY),
        "/egress.v1.EgressService/UpsertServiceEntry": egress.UpsertServiceEntryRequest(
            parent=f"{MESH}/namespaces/prod", service_entry_id="bank", service_entry=service_entry()
        ),
        "/egress.v1.EgressService/GetServiceEntry": egress.GetServiceEntryRequest(name=ENTRY),
        "/egress.v1.EgressService/ListServiceEntries": egress.ListServiceEntriesRequest(parent=f"{MESH}/namespaces/-"),
        "/egress.v1.EgressService/DeleteServiceEntry": egress.DeleteServiceEntryRequest(name=ENTRY),
        "/egress.v1.EgressService/Probe": ProbeRequest(cluster=CLUSTER, url="https://bank.example.com/"),
        "/egress.v1.FleetService/RegisterCluster": fleet.RegisterClusterRequest(
            parent=MESH,
            cluster_id="east",
            cluster=cluster_pb2.Cluster(labels={"env": "prod"}, local=cluster_pb2.Cluster.LocalTarget()),
        ),
        "/egress.v1.FleetService/GetCluster": fleet.GetClusterRequest(name=CLUSTER),
        "/egress.v1.FleetService/ListClusters": fleet.ListClustersRequest(parent=MESH),
        "/egress.v1.ChangeService/GetChange": change.GetChangeRequest(name=CHANGE),
        "/egress.v1.ChangeService/ListChanges": change.ListChangesRequest(parent=MESH),
        "/egress.v1.ChangeService/ListClusterRollouts": change.ListClusterRolloutsRequest(parent=CHANGE),
        "/egress.v1.ChangeService/WaitChange": change.WaitChangeRequest(name=CHANGE),
    }
