"""--dry-run of every mutation."""

import pytest

from egress.v1.egress_service_pb2 import SetOutboundPolicyRequest, SetOutboundPolicyResponse
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import DRY, ERROR
from tests.unit.sdk.fake_server import FakeServer


def test_findings_and_diff(ctl: Run, server: FakeServer) -> None:
    """A dry run shows the findings, and what would change on which clusters."""
    server.answer("SetOutboundPolicy", DRY)
    done = ctl("outbound", "set", "REGISTRY_ONLY", "--dry-run", "--wait", "applied")
    assert done.code == 0
    assert done.out.splitlines() == [
        "Dry run: nothing was changed.",
        "WARNING EGR0200 outbound_policy.mode",
        "  cause: no entry exists",
        "  fix:   add one",
        "On a, b and 1 more:",
        "~ UPDATE Sidecar istio-system/default",
        "    --- live",
        "    +++ planned",
        "    @@ -1 +1 @@",
        "    -  mode: ALLOW_ANY",
        "    +  mode: REGISTRY_ONLY",
    ]
    (request,) = server.sent("SetOutboundPolicy")
    assert isinstance(request, SetOutboundPolicyRequest)
    assert request.validate_only


@pytest.mark.parametrize(("words", "code"), [((), 1), (("--suppress", "EGR0101"), 0)])
def test_exit_code(ctl: Run, server: FakeServer, words: tuple[str, ...], code: int) -> None:
    """A dry run exits like the real command: an error that is not suppressed blocks it."""
    server.answer("SetOutboundPolicy", SetOutboundPolicyResponse(findings=[ERROR]))
    done = ctl("outbound", "set", "REGISTRY_ONLY", "--dry-run", *words)
    assert done.code == code
    assert ("The change would be blocked" in done.out) is bool(code)
    assert "or suppress it with --suppress EGR0101" in done.out
    assert "Nothing would change on any cluster." in done.out


def test_json(ctl: Run, server: FakeServer) -> None:
    """-o json has findings and plan, and no change."""
    server.answer("SetOutboundPolicy", DRY)
    reply = ctl("outbound", "set", "REGISTRY_ONLY", "--dry-run", "-o", "json").json
    assert reply["plan"]["groups"][0]["objects"][0]["action"] == "UPDATE"
    assert [finding["severity"] for finding in reply["findings"]] == ["WARNING"]
    assert "change" not in reply
