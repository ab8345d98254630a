"""What a person does to a matte by hand: strokes, clicks, a new background."""
