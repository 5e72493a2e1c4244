"""Settings inside texts of Istio's ConfigMaps: read, and changed to the byte."""
