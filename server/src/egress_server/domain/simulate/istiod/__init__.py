"""What istiod configures in the sidecars of a namespace, made from policy and inventory in istiod's own steps."""
