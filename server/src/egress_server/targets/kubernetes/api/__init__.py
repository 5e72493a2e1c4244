"""The API server as we speak to it: kinds, requests and their answers, and what it lets us do."""
