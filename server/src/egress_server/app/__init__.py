"""The composition roots of `egressd run`, `serve` and `apply`, and their components. Adapters are picked here only."""
