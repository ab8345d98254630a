"""Tiers 2 and 3: the object in a disparity map, and its fusion with the segmentation."""
