"""The networks themselves, in torch."""
