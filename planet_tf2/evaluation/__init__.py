"""What is done with finished runs, and checks of single parts."""
