"""What clients get: frames of a stream, and the table of errors in each dialect."""
