"""Fields that we own inside foreign objects: read, written, restored. One file a kind."""
