"""The object's alpha: found, refined, fused with depth, read from paper, edited by hand."""
