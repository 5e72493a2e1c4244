"""One cluster under one lease: what to change there (pure), what forbids it, and the loop that does it."""
