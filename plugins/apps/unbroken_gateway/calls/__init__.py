"""One call: admitted, carried from the upstream to its client, and accounted for."""
