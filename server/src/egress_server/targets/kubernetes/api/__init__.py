"""The API server's HTTP interface: kinds, requests, responses and errors."""
