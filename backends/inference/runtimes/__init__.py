"""One file a runtime, each with its `RUNTIME`; `inference.runtime_registry` finds them. Rules: `backends.device`."""
