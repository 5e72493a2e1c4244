"""Rules about outbound policies (EGR03xx), interceptions (EGR04xx) and clusters (EGR05xx)."""
