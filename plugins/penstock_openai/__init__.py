"""What the events, errors and headers of OpenAI's APIs, and of the many servers that speak like them, mean."""
