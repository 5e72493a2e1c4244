"""The contract on the wire: one file a method, with its request, permission, command and reply.

The only room where protobuf messages become domain objects and go back.
"""
