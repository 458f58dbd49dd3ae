"""The child's side: requests, events, foreign tools. Standard library only: a stage may have a Python of its own."""
