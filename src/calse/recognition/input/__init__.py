"""From clips to what a network is given."""
