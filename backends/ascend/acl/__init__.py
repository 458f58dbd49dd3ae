"""pyACL in the process of a device: calls, memory, the runtime. Rules as of `backends.device`."""
