"""Folders of pictures as data sets: what is in them and what to fix, and how well masks are found for them."""
