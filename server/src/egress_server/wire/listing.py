"""What every list request carries."""

from collections.abc import Sequence
from typing import Protocol

from egress_server.domain.listing import Listing, parse_listing


class ListRequest(Protocol):
    """The fields that every list request has."""

    parent: str
    page_size: int
    page_token: str
    filter: str
    order_by: str


def read_listing(
    request: ListRequest, fields: Sequence[str], *, key_field: str = "name", descends: bool = False
) -> Listing:
    """The listing; raises InvalidArgument naming the field."""
    return parse_listing(
        page_size=request.page_size,
        page_token=request.page_token,
        filter_text=request.filter,
        order_by=request.order_by,
        fields=fields,
        key_field=key_field,
        descends=descends,
        parent=request.parent,
    )
