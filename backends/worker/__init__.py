"""The child's side: one request in, events out. Standard library only, so that a stage may have its own interpreter."""
