"""One use case a file: what it means to set, upsert, list, delete or probe.

Commands raise the domain's errors and know no transport, so both wires behave the same.
"""
