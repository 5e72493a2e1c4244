"""Fields that we own inside unmanaged objects: how they are read, written and put back."""
