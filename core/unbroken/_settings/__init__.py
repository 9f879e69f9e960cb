"""Names and tables become plugin objects: what is installed, what is configured, what is wrong with it."""
