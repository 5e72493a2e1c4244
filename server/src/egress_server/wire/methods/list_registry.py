"""ListRegistry."""

from egress.v1 import explain_pb2 as pb
from egress_server.commands.explain import ListRegistry, RegistryPage, list_registry
from egress_server.contract.probe import write_item
from egress_server.domain.model.names import ResourceKind, check_label, expect_name
from egress_server.domain.model.paging import parse_listing
from egress_server.pipeline.pipeline import Method

DEFAULT_NAMESPACE = "default"
FIELDS = ("host", "port", "owner", "owner_kind", "visible")


def decode(request: pb.ListRegistryRequest) -> ListRegistry:
    """The page asked for. A token is good for one namespace's view only."""
    cluster = expect_name("parent", request.parent, ResourceKind.CLUSTER)
    namespace = check_label("namespace", request.namespace or DEFAULT_NAMESPACE, "namespace")
    listing = parse_listing(
        page_size=request.page_size,
        page_token=request.page_token,
        filter_text=request.filter,
        order_by=request.order_by,
        fields=FIELDS,
        key_field="host",
        parent=f"{cluster}/{namespace}",
    )
    return ListRegistry(cluster, namespace, listing)


def encode(page: RegistryPage) -> pb.ListRegistryResponse:
    """The page."""
    return pb.ListRegistryResponse(
        items=(write_item(item, page.managers) for item in page.items),
        next_page_token=page.next_page_token,
        revision=page.revision,
    )


METHOD = Method(
    "/egress.v1.EgressService/ListRegistry",
    pb.ListRegistryRequest,
    pb.ListRegistryResponse,
    "egress.registries.list",
    decode,
    list_registry,
    encode,
)
