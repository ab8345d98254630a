"""Numbers -> how far each lies from their median, in robust standard deviations that outliers cannot move."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of a normal distribution, the standard deviation over the median absolute deviation, and over the quartiles' range.
_SIGMA_OF_MAD, _SIGMA_OF_IQR = 1.4826, 0.7413
# Least scale, 10 %: where most values are equal, the MAD is 0 and any other value would be an outlier.
MIN_SPREAD = 0.1


def robust_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Return for each of `values` (positive) its signed distance from their median in robust standard deviations.

    Distances are taken between logarithms: half and double are equally far. The score is the modified z of Iglewicz
    and Hoaglin (1993), who call 3.5 an outlier; the scale is
    max(MAD, IQR), so a minority of 25 % or more is not flagged. Raises ValueError for values that are not positive.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size == 0:
        return numbers
    if not (numbers > 0).all():
        raise ValueError("scores are taken between logarithms: the values must be positive")
    logs = np.log(numbers)
    away = logs - np.median(logs)
    lower, upper = np.percentile(logs, (25, 75))
    spread = max(_SIGMA_OF_MAD * float(np.median(np.abs(away))), _SIGMA_OF_IQR * float(upper - lower), MIN_SPREAD)
    return np.asarray(away / spread)
