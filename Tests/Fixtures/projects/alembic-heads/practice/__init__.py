"""What the revisions of all modules share."""
