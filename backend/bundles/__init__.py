"""Debug bundles: written as a run goes on, read back, and run again."""
