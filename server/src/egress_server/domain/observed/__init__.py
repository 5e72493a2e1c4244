"""What appliers observe on a cluster and do not manage, and lookups in it."""
