"""A Ray cluster as the place where work runs: the connection, folders, and the workers of `serve`."""
