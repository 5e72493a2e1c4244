"""Traces: a sample of the calls, and the applies that follow from them; exported over OTLP if an endpoint is given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("egress_server")


def configure_tracing(ratio: float, endpoint: str, version: str) -> TracerProvider:
    """Samples `ratio` of the calls whose caller has not decided; the caller shuts the provider down."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource.create({"service.name": "mesh-egress", "service.version": version}),
    )
    if endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def apply_span(cluster: str, revision: int, traceparents: Sequence[str]) -> Iterator[None]:
    """A span around one apply, for the changes it delivers, oldest first, by their W3C traceparent (empty: not traced).

    It belongs to the trace of the newest traced change and links to the others; if none is traced there is no span.
    """
    traced = [traceparent for traceparent in traceparents if traceparent]
    if not traced:
        yield
        return
    *others, parent = traced
    links = [trace.Link(trace.get_current_span(_context(other)).get_span_context()) for other in others]
    attributes = {"egress.cluster": cluster, "egress.revision": str(revision)}
    with _tracer.start_as_current_span("egress.apply", _context(parent), links=links, attributes=attributes):
        yield


def _context(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent})
