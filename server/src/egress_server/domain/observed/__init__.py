"""Unmanaged configuration that appliers observe on the clusters."""
