"""Edits by hand: strokes, clicks, a new background."""
