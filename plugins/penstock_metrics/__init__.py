"""What a program that streams should know of itself: totals, rates, percentiles, states."""
