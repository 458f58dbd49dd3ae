"""What the console knows between two pictures: the feed, the log that is read, rates over time."""
