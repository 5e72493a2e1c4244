"""All reference pages."""

from tools.reference.api import messages_page, rest_page, rpcs_page
from tools.reference.cli import cli_page
from tools.reference.reasons import reasons_page
from tools.reference.sdk import sdk_page
from tools.reference.server import findings_page, metrics_page, settings_page


def reference_pages() -> dict[str, str]:
    """The Markdown of each page, by its name."""
    return {
        "egressctl": cli_page("egressctl"),
        "egressd": cli_page("egressd"),
        "findings": findings_page(),
        "messages": messages_page(),
        "metrics": metrics_page(),
        "reasons": reasons_page(),
        "rest": rest_page(),
        "rpcs": rpcs_page(),
        "sdk": sdk_page(),
        "settings": settings_page(),
    }
