"""A file a recogniser: its declaration, without torch. The networks lie in networks/."""
