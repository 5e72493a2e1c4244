"""egressctl, the command line: the SDK with options for arguments and words for replies.

One file a group of commands; what they share starts with an underscore. Exit codes: 0 done, 1 refused, 2 usage,
3 unavailable or timed out, 4 a probe saw something else than the policy says.
"""

import sys


def main() -> None:
    """Runs egressctl."""
    try:
        from egress.cli.app import app
    except ModuleNotFoundError as missing:
        sys.exit(f"egressctl needs {missing.name}: install it with the client, pip install 'egress-sdk[cli]'")
    app(prog_name="egressctl")
