"""The rules of Istio's objects reject what Istio would reject."""

from typing import Any

import pytest

from tests.unit.domain.render.istio_rules import check


@pytest.mark.parametrize(
    "policy", [{"mode": "NOPE"}, {"mode": "ALLOW_ANY", "unknown": 1}, {"mode": 1}], ids=["value", "field", "type"]
)
def test_schema_is_strict(policy: dict[str, Any]) -> None:
    """A value, field or type that is not in the CRD is an error with its path."""
    obj = {"kind": "Sidecar", "metadata": {"name": "a", "namespace": "b"}, "spec": {"outboundTrafficPolicy": policy}}
    with pytest.raises(AssertionError, match="outboundTrafficPolicy"):
        check(obj)
