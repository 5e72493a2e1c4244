"""Who is captured and by which rules: pods, the templates and policies that they come from, and restarts."""
