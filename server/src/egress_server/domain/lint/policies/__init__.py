"""Rules for outbound policies (EGR03xx), interceptions (EGR04xx), and all resources and clusters (EGR05xx)."""
