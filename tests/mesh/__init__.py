"""The real-mesh tier: kube-apiserver, istiod, Envoy and iptables as they are, without containers."""
