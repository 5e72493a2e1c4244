"""What the mesh will do with a connection, decided the way istiod and the sidecar do. Start reading at evaluate.py."""
