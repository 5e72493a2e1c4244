"""The document's steps on real components of one machine: a server, an embedded Redis, an Envoy, an agent, and a local
stand-in for the external site.

The demo runs the commands that a user types, each in its own process, and checks every answer.
"""
