"""Clips through a model on every device: scheduler, device processes, results, runtimes."""
