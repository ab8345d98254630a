"""From untrusted bytes to upright pixels, one step a file: header, metadata, pixel modes."""
