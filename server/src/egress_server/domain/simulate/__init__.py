"""What the mesh will do with a connection, computed the way istiod and the sidecar decide it."""
