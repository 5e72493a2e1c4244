"""Whether the random questions notice that a condition of the model is missing."""
