"""What of a study can be given away: a folder with everything that others need to use and cite it."""
