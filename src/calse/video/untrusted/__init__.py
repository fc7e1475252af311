"""Videos from elsewhere: copied and decoded where they can do no harm."""
