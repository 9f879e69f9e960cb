"""From names and tables to plugin objects: what is installed, how it is configured, and which problems there are."""
