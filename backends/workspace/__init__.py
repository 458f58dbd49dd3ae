"""A workspace: its settings file, what lies about for a new one, and a look into its data."""
