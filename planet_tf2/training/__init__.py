"""Training: phases, what happens in them, and what is shown of it."""
