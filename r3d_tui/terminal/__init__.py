"""The terminal under the console, and what leans on Textual's private parts."""
