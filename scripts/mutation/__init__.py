"""Mutation testing of this project; see `__main__`."""
