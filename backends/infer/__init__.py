"""Clips through a model on devices: one worker process a device, one queue for all."""
