"""Messages to the domain and back, one file a resource. Reading adds to Problems; writing can't fail."""
