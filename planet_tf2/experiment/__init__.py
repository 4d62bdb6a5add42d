"""An experiment: many runs, worked on by any number of processes."""
