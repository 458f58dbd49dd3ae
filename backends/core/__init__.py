"""What all packages share: messages, errors, settings, plans, events, the folded run, files and processes."""
