"""The kinds of place where policy is applied, each behind the same port.

A target says what it can do; what it cannot do is reported as UNSUPPORTED, never dropped.
"""
