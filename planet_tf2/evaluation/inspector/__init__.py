"""Shows why the planner did what it did, from stored episodes."""
