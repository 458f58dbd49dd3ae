"""Everything that draws and nothing that works: the console and the command line over `backends.api`."""
