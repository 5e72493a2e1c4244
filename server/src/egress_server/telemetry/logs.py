"""Logs: one JSON event per line on standard error. They never contain request bodies or credentials: a traceback has
lines of code, but no values of variables."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    add_log_level,
    TimeStamper(fmt="iso", utc=True),
)
_RENDER: tuple[Processor, ...] = (
    ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    JSONRenderer(),
)


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Sends events of `level` and above to `stream`, standard error by default. Libraries log warnings and above."""
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = stream or sys.stderr
    structlog.configure(
        processors=[*_COMMON, *_RENDER],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *_RENDER],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
