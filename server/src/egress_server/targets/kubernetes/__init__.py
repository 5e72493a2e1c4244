"""Clusters of Kubernetes with Istio: policy becomes Istio's own objects, by the API server.

What lives there is watched, not listed (following/); what is wanted is fitted to it by pure functions (fit/); the
difference goes out in one burst (apply.py), and nothing that is not ours is touched before its earlier value is kept
(state.py).
"""
