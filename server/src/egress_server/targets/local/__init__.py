"""The `local` target: one workload with a real Envoy on this machine, for evaluation, tests and the demo.

It shows what a policy does to real connections without a cluster and without root. The objects are those rendered for
Kubernetes; `compile_xds` does istiod's part for one sidecar, and the PROXY protocol replaces iptables.
"""
