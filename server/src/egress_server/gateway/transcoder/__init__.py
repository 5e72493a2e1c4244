"""Transcodes HTTP requests to protobuf messages by their google.api.http rules. Independent of this API."""
