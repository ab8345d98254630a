"""From a stranger's bytes to upright pixels: the header, the metadata and the pixel modes, one step a file."""
