"""The embedded demo: its films, its data set, its workspace."""
