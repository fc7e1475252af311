"""What a study needs, held against what is here."""
