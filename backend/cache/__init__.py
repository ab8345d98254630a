"""Results and stages that were computed before: where their bytes lie, under which keys, and in which frame."""
