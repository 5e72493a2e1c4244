"""How fast the server is, as a ratio to what the same parts do without it. `docs/bench.md` explains the figures.

An absolute figure is not stable on a shared machine. So every bar is a ratio to a bare server that is measured in the
same run, by the same client, in turns with the product. Nothing here is a test: a missed bar is printed and written
down, and never fails a build.
"""
