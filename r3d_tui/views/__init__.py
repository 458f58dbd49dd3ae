"""A snapshot as rows of words: pure functions, one module a panel."""
