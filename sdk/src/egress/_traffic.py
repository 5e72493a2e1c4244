"""How traffic to an external service is treated, from messages or from the one number that matters most in each."""

from collections.abc import Iterable

from egress._durations import duration
from egress.v1.service_entry_pb2 import (
    ConnectionLimits,
    OutlierDetection,
    Retries,
    Route,
    TlsOrigination,
    TrafficSettings,
)


def traffic_settings(
    request_timeout: float | str | None,
    retries: int | Retries | None,
    routes: Iterable[Route],
    tls_origination: bool | int | TlsOrigination,
    connection_limits: int | ConnectionLimits | None,
    outlier_detection: int | OutlierDetection | None,
) -> TrafficSettings | None:
    """The settings, None where there are none. A message stands for itself; an empty one still turns its trait on."""
    settings = TrafficSettings(
        timeout=duration(request_timeout),
        retries=Retries(attempts=retries) if isinstance(retries, int) else retries,
        routes=routes,
        tls_origination=_tls_origination(tls_origination),
        connection_limits=(
            ConnectionLimits(max_connections=connection_limits)
            if isinstance(connection_limits, int)
            else connection_limits
        ),
        outlier_detection=(
            OutlierDetection(consecutive_5xx_errors=outlier_detection)
            if isinstance(outlier_detection, int)
            else outlier_detection
        ),
    )
    return settings if settings.ByteSize() else None


def _tls_origination(wanted: bool | int | TlsOrigination) -> TlsOrigination | None:
    if isinstance(wanted, TlsOrigination):
        return wanted
    if wanted is True:
        return TlsOrigination()
    return TlsOrigination(port=wanted) if wanted else None
