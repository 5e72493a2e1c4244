"""Which conditions of the model random questions don't notice: `python -m tests.truth.mutate FILE`, where FILE has the
answers that `make truth ARGS='--record FILE'` wrote. No mesh is needed."""

import pickle
import sys
from pathlib import Path

from tests.truth.mutate.judge import unnoticed


def main() -> int:
    """The exit code: 1 if there are any."""
    recorded = pickle.loads(Path(sys.argv[1]).read_bytes())
    total, missed = unnoticed(recorded)
    for mutant in missed:
        print(f"unnoticed without {mutant}")
    print(
        f"{total - len(missed)} of {total} conditions are noticed when they are missing, by {len(recorded)} questions"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
