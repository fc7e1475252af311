"""Statistics, tables, plots and the page: what a person reads."""
