"""The headless front end: the same facts as lines, tables and JSON, without a screen."""
