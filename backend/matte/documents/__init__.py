"""Signatures, stamps and writing on paper: the paper goes, the ink stays."""
