"""Making and keeping the model of a donor."""
