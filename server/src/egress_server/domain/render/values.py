"""Values as Istio's objects write them."""


def duration(seconds: float) -> str:
    """A protobuf duration such as 5s or 0.25s; to the millisecond, and never 0 for what is not."""
    return f"{max(seconds, 0.001):.3f}".rstrip("0").rstrip(".") + "s"
