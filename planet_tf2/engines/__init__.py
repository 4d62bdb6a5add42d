"""What lets other programs' engines do the work: none is needed to train."""
