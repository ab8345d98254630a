"""Tiers 2 and 3: what a disparity map says about the object, and how that is fused with the segmentation."""
