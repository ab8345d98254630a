"""Tier 1: a segmenter's first guess made a clean alpha, and the figures of the result."""
