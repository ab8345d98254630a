"""Worker processes: lanes that queue, processes that are watched, and what the two sides say to each other."""
