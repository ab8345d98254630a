"""Folders of pictures as data sets: what they contain, what to fix, and how good the masks of a model are on them."""
