"""Clips made from clips by moving their pixels."""
