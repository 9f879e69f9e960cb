"""The settings: read, checked as a whole, and swapped under running calls."""
