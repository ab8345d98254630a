"""The thresholds of `analyze`, each an option of the command line."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Thresholds:
    """Every threshold, with its unit in `about`."""

    outlier_score: float = field(default=3.5, metadata={"about": "robust deviations from the median (log scale)"})
    min_side_px: int = field(default=256, metadata={"about": "shortest side; a picture with fewer pixels is small"})
    max_aspect: float = field(
        default=3.0, metadata={"about": "longest side over shortest; above it, the shape is a finding"}
    )
    uniform_deviation: float = field(
        default=4.0, metadata={"about": "of 255; a picture whose colours deviate less is nearly uniform"}
    )
    duplicate_bits: int = field(
        default=8, metadata={"about": "of 64; largest distance of the perceptual hashes of near-duplicates"}
    )
    duplicate_match: float = field(
        default=0.97, metadata={"about": "least correlation of the 8 x 8 colours of near-duplicates"}
    )
    min_coverage: float = field(default=0.05, metadata={"about": "share of the picture; a smaller object is a finding"})
    max_coverage: float = field(default=0.95, metadata={"about": "share of the picture; a larger object is a finding"})
