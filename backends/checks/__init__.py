"""The check stage: what a run needs, found or missing."""
