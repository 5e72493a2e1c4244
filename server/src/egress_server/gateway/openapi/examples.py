"""Request bodies for the docs, which can be sent as they are."""

from collections.abc import Mapping
from typing import Any

JSON_EXAMPLES: Mapping[str, Any] = {
    "SetOutboundPolicy": {"outboundPolicy": {"mode": "REGISTRY_ONLY"}, "reason": "allow registered services only"},
    "UpsertServiceEntry": {
        "serviceEntryId": "aliyun-com-ext",
        "serviceEntry": {
            "hosts": ["www.aliyun.com"],
            "ports": [
                {"number": 80, "name": "http", "protocol": "HTTP"},
                {"number": 443, "name": "https", "protocol": "HTTPS"},
            ],
            "resolution": "DNS",
            "location": "MESH_EXTERNAL",
        },
    },
    "Probe": {"namespace": "default", "url": "http://www.aliyun.com/", "method": "HEAD", "timeout": "10s"},
    "RegisterCluster": {"clusterId": "laptop", "cluster": {"labels": {"env": "dev"}, "local": {}}},
}
"""JSON bodies by RPC name. Tests check them against the contract."""

YAML_EXAMPLE = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: aliyun-com-ext
spec:
  hosts:
  - www.aliyun.com
  ports:
  - number: 80
    name: http
    protocol: HTTP
  - number: 443
    name: https
    protocol: HTTPS
  resolution: DNS
  location: MESH_EXTERNAL
"""
