"""Everything that works and nothing that draws: the engine, the stages, and the one door to both, `backends.api`."""
