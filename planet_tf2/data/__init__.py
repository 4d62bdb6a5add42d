"""Episodes: recording and storing them, and reading them for training."""
