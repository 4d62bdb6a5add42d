"""Examines a machine: whether everything is there, and how fast it is.

Nothing here imports TensorFlow or MuJoCo, but for the probes. Whatever may
crash or hang is tried in a child process with a time limit.
"""
