"""What the commands need from the outside, as protocols.

Adapters implement them and only `app` picks the adapters, so a use case can be read, and tested,
without knowing Redis, Istio or gRPC.
"""
