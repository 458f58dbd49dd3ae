"""Sheets, meters and sparks: they draw rows and know nothing of runs."""
