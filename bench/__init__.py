"""Measuring r3d-tui: outside the wheel, run from a checkout by `python -m bench`."""
