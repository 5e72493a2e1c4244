"""What many methods share: resource names, options of a mutation, paging, scopes, YAML."""
