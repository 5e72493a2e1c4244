"""egressctl, the command line: the SDK's methods as commands, and replies as text.

`commands` has one file per group of commands, `support` what they share. Exit status: 0 success, 1 refused, 2 usage
error, 3 unavailable or timed out, 4 a probe contradicts the policy.
"""

import sys


def main() -> None:
    """Runs egressctl."""
    try:
        from egress.cli.app import app
    except ModuleNotFoundError as missing:
        sys.exit(f"egressctl requires {missing.name}; install it with: pip install 'egress-sdk[cli]'")
    app(prog_name="egressctl")
