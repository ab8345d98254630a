"""Folders: every picture of a tree through the pipeline, with a record of what came of each."""
