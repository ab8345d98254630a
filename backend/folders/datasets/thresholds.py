"""Where odd begins: the numbers by which `analyze` judges, each an option of the command line."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Thresholds:
    """Every threshold, with its unit in `about`."""

    outlier_score: float = field(default=3.5, metadata={"about": "robust deviations from the median (log scale)"})
    least_side_px: int = field(default=256, metadata={"about": "a shorter side of fewer pixels is a small picture"})
    max_aspect: float = field(default=3.0, metadata={"about": "a longer side of more than so many shorter ones is odd"})
    uniform_deviation: float = field(default=4.0, metadata={"about": "of 255; less colour change is nearly uniform"})
    duplicate_bits: int = field(default=8, metadata={"about": "of 64; perceptual hashes no further apart are alike"})
    duplicate_match: float = field(default=0.97, metadata={"about": "and colours of 8 x 8 fields correlate by so much"})
    min_coverage: float = field(default=0.05, metadata={"about": "share of the picture; a smaller object is a finding"})
    max_coverage: float = field(default=0.95, metadata={"about": "share of the picture; so is a larger one"})
