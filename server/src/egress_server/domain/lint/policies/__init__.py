"""Rules for outbound policies (EGR03xx), and for all resources and clusters (EGR05xx)."""
