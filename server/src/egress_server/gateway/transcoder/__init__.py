"""HTTP to messages and back by google.api.http, from descriptors alone: nothing here knows egress."""
