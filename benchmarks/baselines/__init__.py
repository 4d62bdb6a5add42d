"""Other ways to write the same PlaNet, to compare ours with."""
