"""The kubernetes target against a real API server with Istio's kinds; without istiod, which changes nothing here."""
