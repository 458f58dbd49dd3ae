"""Several servers: shards of videos under leases, computed where the videos are, counted where the workspace is."""
