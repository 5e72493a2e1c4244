"""What the server needs from outside, as protocols whose docstrings are promises.

Only `app` picks the adapters that implement them, so a use case can be read and tested without Redis, Istio or gRPC.
"""
