"""Who signs in a swapped clip, asked as somebody would who has other clips of everybody."""
