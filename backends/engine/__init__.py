"""Runs a plan and knows no stage by name."""
