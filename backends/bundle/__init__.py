"""A bundle to send to a colleague: what a run's trouble can be read from, with nothing in it that is secret."""
