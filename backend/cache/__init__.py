"""Cached results and stages: their keys, their format and the stores that hold them."""
