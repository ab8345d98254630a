"""What other services' clients ask for beyond our own pipeline, one file each."""
