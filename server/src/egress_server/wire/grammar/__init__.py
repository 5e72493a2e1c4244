"""What many RPCs have in common: handlers, resource names, mutation options, collections, YAML."""
