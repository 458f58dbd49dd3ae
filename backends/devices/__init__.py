"""What the machine has: chips, cores, tools, and whether they are fit for a run."""
