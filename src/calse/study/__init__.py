"""What is trained on what, and what a person reads in the end."""
