"""The contract, generated from proto/egress/v1 by `make gen`. Never edited."""
