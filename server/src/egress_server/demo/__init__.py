"""The document's story on real parts of one machine: a server, an embedded Redis, an Envoy, an agent, and small
stand-ins for the outside world.

It drives the product through the very commands a user types, in processes of their own, and checks every answer.
"""
