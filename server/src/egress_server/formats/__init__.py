"""Files that users provide, such as Istio's YAML and kubeconfigs, to and from the domain."""
