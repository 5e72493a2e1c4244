"""Settings inside text in Istio's ConfigMaps: read, and edited to the byte."""
