"""Pictures as arrays: reading, scaling, measuring, compositing, encoding."""
