"""The two languages and how words are found in them."""
