"""The pictures of the documentation (`nox -s pictures`).

`drawing` makes a diagram, for light and for dark pages, of each ``docs/pictures/*.toml``. `recording` runs commands and
makes a picture of what they print.
"""
