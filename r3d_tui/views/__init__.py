"""A snapshot as rows of words: pure functions, one module a panel. They refuse to know Textual, threads and clocks."""
