"""Findings and plans as text."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from egress import Finding, Plan
from egress.cli.support.output import escaped
from egress.v1.common_pb2 import PlannedObject

_STYLES = {Finding.ERROR: "bold red", Finding.WARNING: "yellow", Finding.INFO: "cyan"}
_SIGNS = {PlannedObject.CREATE: "+", PlannedObject.UPDATE: "~", PlannedObject.DELETE: "-"}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show(console: Console, findings: Iterable[Finding]) -> None:
    """Prints each finding: code, place, cause and fix."""
    for finding in findings:
        where = " ".join(part for part in (finding.field, finding.resource) if part)
        severity = Finding.Severity.Name(finding.severity)
        console.print(
            Text.assemble(
                (f"{severity} {finding.code}", _STYLES.get(finding.severity, "")), escaped(f" {where}".rstrip())
            )
        )
        console.print(f"  cause: {finding.cause}")
        console.print(f"  fix:   {finding.fix}")
        if finding.suppressible:
            console.print(f"  or suppress it with --suppress {finding.code}")


def show_plan(console: Console, plan: Plan) -> None:
    """Prints what would change, by groups of clusters."""
    if not plan.groups:
        console.print("Nothing would change on any cluster.")
    for group in plan.groups:
        more = group.cluster_count - len(group.clusters)
        names = ", ".join(group.clusters) + (f" and {more} more" if more > 0 else "")
        console.print(f"On {names}:", style="bold")
        for planned in group.objects:
            console.print(
                f"{_SIGNS.get(planned.action, '?')} {PlannedObject.Action.Name(planned.action)} "
                f"{planned.kind} {planned.namespace}/{planned.name}"
            )
            for line in planned.diff.splitlines():
                console.print(f"    {line}", style=_DIFF_STYLES.get(line[:1], "dim"))
        for reason in group.unsupported:
            console.print(f"! UNSUPPORTED {reason}", style="yellow")
