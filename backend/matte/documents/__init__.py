"""Signatures, stamps and writing on paper: the paper is removed, the ink is kept."""
