"""One call's life: attempts, the commit, retries and closing, as a generator of effects and two drivers."""
