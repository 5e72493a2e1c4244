"""What operators see of delivery: one trace from a call to what it did to each cluster, and how long things take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from egress_server.ports.store import Arrival
from egress_server.telemetry import metrics

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("egress_server")


@contextmanager
def observed_apply(cluster: str, revision: int, arrivals: Sequence[Arrival]) -> Iterator[None]:
    """Around one apply of changed objects, for the changes that it brings. Its span is in the trace of the newest of
    them that is traced, with links to the others; where none is traced there is no span."""
    begin = perf_counter()
    traced = [arrival.traceparent for arrival in arrivals if arrival.traceparent]
    if traced:
        *others, parent = traced
        links = [trace.Link(trace.get_current_span(_context(other)).get_span_context()) for other in others]
        attributes = {"egress.cluster": cluster, "egress.revision": str(revision)}
        with _tracer.start_as_current_span("egress.apply", _context(parent), links=links, attributes=attributes):
            yield
    else:
        yield
    metrics.APPLY_SECONDS.observe(perf_counter() - begin)


def _context(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent})
