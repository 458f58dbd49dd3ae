"""Rows of scores to labels, labels to an accuracy and a report."""
