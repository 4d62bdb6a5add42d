"""Episodes of other programs in, and those of runs out, without TensorFlow."""
