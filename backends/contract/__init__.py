"""The words that all rooms share: values, plans, events, the folded run, needs and errors. Standard library only."""
