"""The weights of networks: which there are, and how they come onto this machine whole."""
