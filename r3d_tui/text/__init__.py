"""Words on their way to a terminal: rows of spans, numbers for people, foreign text made harmless."""
