"""The child's side: one request in, events out; foreign tools. Standard library only: a stage may have its own interpreter."""
