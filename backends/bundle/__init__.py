"""A bundle to send to a colleague: what a failed run can be diagnosed from, with nothing in it that is secret."""
