"""Kubernetes clusters with Istio: policy becomes Istio's own objects, written through the API server.

The informer keeps the cluster's objects in memory (informer/); pure functions project desired state onto them
(project/); the difference is applied in one burst (apply/). Nothing unmanaged is written into before its previous value
is saved on the cluster (last_applied.py).
"""
