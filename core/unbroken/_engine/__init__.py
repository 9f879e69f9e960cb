"""The life of one call (attempts, commit, retries, closing) as a generator of effects, and the two drivers of it."""
