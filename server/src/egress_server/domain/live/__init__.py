"""What a sidecar does with a connection, read from its Envoy configuration instead of predicted from policy.

Pure, and independent of `simulate/`, which predicts the same from policy: each is checked against the other.
"""
