"""Logs: JSON lines, without anything that a caller has sent."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.telemetry.logs import configure_logs
from egress_server.telemetry.metrics import REGISTRY
from tests.support.virtual_time import virtual_time


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The stream that gets logs of level info and above; the logging is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    found = io.StringIO()
    configure_logs("info", found)
    yield found
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The events, each of one line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json(stream: io.StringIO) -> None:
    """With its level and time; lower levels are dropped."""
    log = structlog.get_logger()
    log.debug("unseen")
    log.info("ready", grpc="127.0.0.1:1")
    (event,) = lines(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "ready", "level": "info", "grpc": "127.0.0.1:1"}


def test_libraries_speak_json_too(stream: io.StringIO) -> None:
    """From warnings up, with their logger's name."""
    logging.getLogger("library").info("unseen")
    logging.getLogger("library").warning("careful with %s", "that")
    (event,) = lines(stream)
    assert (event["event"], event["level"], event["logger"]) == ("careful with that", "warning", "library")


def _fail(secret: str) -> None:
    raise ValueError(f"failed after {len(secret)} bytes")


@pytest.mark.parametrize("logger", ["ours", "theirs"])
def test_a_traceback_shows_no_values(stream: io.StringIO, logger: str) -> None:
    """It has the place of the failure, but no values."""
    try:
        _fail("canary-in-the-request")
    except ValueError:
        if logger == "ours":
            structlog.get_logger().exception("call failed")
        else:
            logging.getLogger("library").exception("call failed")
    (event,) = lines(stream)
    assert event["exception"][0]["frames"][-1]["name"] == "_fail"
    assert event["exception"][0]["exc_value"] == "failed after 21 bytes"
    assert stream.getvalue().count("canary") == 0


@pytest.fixture
def full_disk() -> Iterator[TextIO]:
    """Logs go to a disk that is full; the logging is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with Path("/dev/full").open("w", buffering=1) as found:
        configure_logs("info", found)
        yield found
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
        os.dup2(os.open(os.devnull, os.O_WRONLY), found.fileno())  # or closing would fail


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_stops_no_work() -> None:
    """Events are dropped, and counted; what logs them goes on."""
    before = REGISTRY.get_sample_value("egress_log_failures_total") or 0.0
    for _ in range(1000):
        structlog.get_logger().error("failed", exc_info=ValueError("x"))
        logging.getLogger("library").error("failed")
    assert (REGISTRY.get_sample_value("egress_log_failures_total") or 0.0) > before


@pytest.mark.usefixtures("full_disk")
@virtual_time
async def test_a_full_disk_does_not_end_supervision() -> None:
    """A task that fails while its failure can't be logged is started again."""
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("failed")

    await supervise(Task.STATUS_WRITER, work)
    assert len(runs) == 3
