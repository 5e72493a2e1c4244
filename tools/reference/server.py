"""The pages of the server's settings, findings and metrics."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_origin

from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from egress_server.config import AgentSettings, ApplySettings, Option, RunSettings, ServeSettings
from egress_server.domain.lint.engine import ALL_RULES
from egress_server.domain.lint.rule import ExplainRule
from egress_server.telemetry import metrics
from tools.reference.markdown import code, table

_PROCESSES: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("egressd run", RunSettings),
    ("egressd serve", ServeSettings),
    ("egressd apply", ApplySettings),
    ("egressd agent", AgentSettings),
)


def settings_page() -> str:
    """Every setting of each process."""
    parts = [
        "# Settings",
        "A flag takes precedence over an environment variable. On the command line, repeat a flag to give several "
        "values; in the environment, separate them with commas. Invalid settings end the process with exit code 2.",
    ]
    for command, kind in _PROCESSES:
        head = ("Flag", "Environment", "Value", "Default", "Description")
        parts += [f"## {command}", table(head, _settings(kind))]
    return "\n\n".join(parts)


def _settings(kind: type[BaseSettings]) -> Iterator[tuple[str, str, str, str, str]]:
    prefix = kind.model_config.get("env_prefix", "")
    for name, field in sorted(kind.model_fields.items()):
        option = next((each for each in field.metadata if isinstance(each, Option)), None)
        if option is None:
            continue
        several = get_origin(field.annotation) is tuple
        default = "required" if field.is_required() else _default(field.default)
        flag = option.flag or f"--{name.replace('_', '-')}"
        value = option.metavar or "true|false"
        yield (
            code(flag),
            code(f"{prefix}{name.upper()}"),
            code(value) + (" (several)" if several else ""),
            default,
            field.description or "",
        )


def _default(value: object) -> str:
    match value:
        case None | "" | ():
            return ""
        case bool():
            return code(str(value).lower())
        case float():
            return code(f"{value:g}")
        case Path() | str() | int():
            return code(str(value))
    raise TypeError(f"a default of type {type(value)}")


def findings_page() -> str:
    """Every lint rule."""
    rows = (
        (
            f"[{rule.code}](../lint/{rule.code}.md)",
            rule.severity.value,
            "explain" if isinstance(rule, ExplainRule) else "changes",
            "yes" if rule.suppressible else "no",
            rule.title,
        )
        for rule in ALL_RULES
    )
    return (
        "# Findings\n\nA finding of severity ERROR blocks a change; if it is suppressible, `--suppress CODE` overrides "
        "it. Others are only reported. [Lint rules](../lint/README.md) describes how they work.\n\n"
        + table(("Code", "Severity", "Checked on", "Suppressible", "Finding"), rows)
    )


def metrics_page() -> str:
    """Every metric, as Prometheus sees it."""
    rows = sorted(_metric(each) for each in vars(metrics).values() if isinstance(each, MetricWrapperBase))
    return (
        "# Metrics\n\nServed at `/metrics` of `egressd run`, `serve` (`--http-address`) and `apply` "
        "(`--metrics-address`), in Prometheus' text format. [What to look at first](../metrics.md).\n\n"
        + table(("Name", "Type", "Labels", "Description"), rows)
    )


def _metric(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    described = next(iter(metric.describe()))
    suffix = "_total" if described.type == "counter" else ""
    labels: tuple[str, ...] = metric._labelnames
    return code(described.name + suffix), described.type, ", ".join(map(code, labels)), described.documentation
