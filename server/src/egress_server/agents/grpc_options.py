"""The Attach RPC as both ends use it: its path, and how they detect that the other end is gone."""

ATTACH_PATH = "/egress.v1.AgentService/Attach"

_KEEPALIVE_MS = 20_000
_KEEPALIVE_TIMEOUT_MS = 10_000
_MAX_BACKOFF_MS = 5_000

AGENT_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    # By default an agent retries a server that was down for an hour only every two minutes.
    ("grpc.max_reconnect_backoff_ms", _MAX_BACKOFF_MS),
    ("grpc.enable_http_proxy", 0),  # the stream must not depend on how the workload reaches external services
)
"""Channel options of an agent."""

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    # By default a server closes connections that ping more often than every five minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
)
"""Options of a server that agents attach to."""
