"""Makes `python -m egress_server` the same as `egressd`, for machines without the script."""

from egress_server.cli import main

if __name__ == "__main__":
    main()
