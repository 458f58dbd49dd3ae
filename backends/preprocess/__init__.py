"""Frames to clips: the reference's pixels, bit for bit."""
