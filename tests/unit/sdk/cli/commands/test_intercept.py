"""egressctl intercept."""

import pytest

from egress import Interception
from egress.v1.common_pb2 import Scope
from egress.v1.egress_service_pb2 import (
    DeleteInterceptionRequest,
    DeleteInterceptionResponse,
    GetInterceptionRequest,
    ListInterceptionsResponse,
    SetInterceptionCIDRsRequest,
    SetInterceptionCIDRsResponse,
)
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE
from tests.unit.sdk.fake_server import FakeServer

INTERCEPTION = Interception(
    name="meshes/default/interceptions/default",
    include_cidrs=["10.0.0.0/8"],
    include_service_cidrs=True,
    exclude_cidrs=["10.1.0.0/16"],
    include_outbound_ports=[80],
    exclude_outbound_ports=[25, 3306],
    revision=20,
)


def test_set(ctl: Run, server: FakeServer) -> None:
    """Lists take commas and may be repeated."""
    server.answer("SetInterceptionCIDRs", SetInterceptionCIDRsResponse(interception=INTERCEPTION, change=CHANGE))
    done = ctl(
        "intercept", "set", "-n", "shop", "--label", "app=web", "--include", "SERVICE_CIDRS,10.0.0.0/8", "--exclude",
        "10.1.0.0/16", "--include-ports", "80", "--exclude-ports", "25,3306", "--id", "x", "--request-id", "r",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("set to include SERVICE_CIDRS,10.0.0.0/8 (change 17)\n")
    assert server.sent("SetInterceptionCIDRs") == [
        SetInterceptionCIDRsRequest(
            parent="meshes/default",
            interception_id="x",
            interception=Interception(
                scope=Scope(namespace="shop", match_labels={"app": "web"}),
                include_cidrs=["10.0.0.0/8"],
                include_service_cidrs=True,
                exclude_cidrs=["10.1.0.0/16"],
                include_outbound_ports=[80],
                exclude_outbound_ports=[25, 3306],
            ),
            request_id="r",
        )
    ]


@pytest.mark.parametrize(
    ("words", "interception"),
    [(["--include", "*"], Interception(include_cidrs=["*"])), (["--none"], Interception(none=True))],
)
def test_all_and_none(ctl: Run, server: FakeServer, words: list[str], interception: Interception) -> None:
    """The output shows whether everything or nothing is intercepted."""
    ctl("intercept", "set", *words)
    (request,) = server.sent("SetInterceptionCIDRs")
    assert isinstance(request, SetInterceptionCIDRsRequest)
    assert request.interception == interception


def test_usage(ctl: Run, server: FakeServer) -> None:
    """No option at all, and ports that are not numbers, are usage errors."""
    assert ctl("intercept", "set").code == 2
    done = ctl("intercept", "set", "--exclude-ports", "25,http")
    assert done.code == 2
    assert "'http'" in done.err
    assert server.requests == []


def test_get_list_delete(ctl: Run, server: FakeServer) -> None:
    """An interception shows what goes through the sidecar and what does not."""
    server.answer("GetInterception", INTERCEPTION)
    server.answer("ListInterceptions", ListInterceptionsResponse(interceptions=[INTERCEPTION, Interception(none=True)]))
    server.answer("DeleteInterception", DeleteInterceptionResponse(interception=INTERCEPTION, change=CHANGE))
    got, listed = ctl("intercept", "get"), ctl("intercept", "list")
    row = "default SERVICE_CIDRS,10.0.0.0/8 10.1.0.0/16 80 25,3306 mesh all 20"
    assert got.out.splitlines()[1].split() == row.split()
    assert listed.out.splitlines()[2].split()[0] == "none"
    assert ctl("intercept", "delete", "default", "--request-id", "r").code == 0
    assert server.sent("GetInterception") == [GetInterceptionRequest(name=INTERCEPTION.name)]
    assert server.sent("DeleteInterception") == [DeleteInterceptionRequest(name=INTERCEPTION.name, request_id="r")]
