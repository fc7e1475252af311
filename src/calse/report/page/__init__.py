"""The report page: the whole study in one file."""
