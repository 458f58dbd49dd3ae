"""Files that one stage writes and another reads: annotation, clips, rows of scores. Each format has one module."""
