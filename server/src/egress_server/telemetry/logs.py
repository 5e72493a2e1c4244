"""Logs: one JSON event per line on standard error. They never contain request bodies or credentials: a traceback has
lines of code, but no values of variables."""

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from egress_server.telemetry import metrics

_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    add_log_level,
    TimeStamper(fmt="iso", utc=True),
)
_RENDER: tuple[Processor, ...] = (
    ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    JSONRenderer(),
)


class _Sink:
    """Writes to a stream. What can't be written, because the disk is full or the reader is gone, is counted and
    dropped: work, and above all the supervision of tasks, must not fail because it is logged."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Returns as if everything were written."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: the stream is closed
            metrics.LOG_FAILURES.inc()
        return len(text)

    def flush(self) -> None:
        """See io.TextIOBase."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            metrics.LOG_FAILURES.inc()


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Sends events of `level` and above to `stream`, standard error by default. Libraries log warnings and above."""
    number = logging.getLevelNamesMapping()[level.upper()]
    sink = cast(TextIO, _Sink(stream or sys.stderr))
    structlog.configure(
        processors=[*_COMMON, *_RENDER],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sink),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *_RENDER],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
