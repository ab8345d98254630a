"""Numbers in; how far each lies from the rest, judged by medians, which the odd ones themselves cannot move."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of a normal distribution, the standard deviation over the median absolute deviation, and over the quartiles' range.
_SIGMA_OF_MAD, _SIGMA_OF_IQR = 1.4826, 0.7413
# In a set where most values are equal the deviation is 0; below a spread of 10 % nothing is called odd.
LEAST_SPREAD = 0.1


def robust_scores(values: ArrayLike, least_spread: float = LEAST_SPREAD) -> NDArray[np.float64]:
    """Return for each of `values` (positive) its signed distance from their median in robust standard deviations.

    Distances are taken between logarithms: half and double are equally far. The score is the modified z of Iglewicz
    and Hoaglin (1993), who call 3.5 an outlier; the spread is no less than the quartiles tell, so that a second kind
    which makes up a quarter of the set is not called odd. Raises ValueError for values that are not positive.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size == 0:
        return numbers
    if not (numbers > 0).all():
        raise ValueError("scores are taken between logarithms: the values must be positive")
    logs = np.log(numbers)
    away = logs - np.median(logs)
    lower, upper = np.percentile(logs, (25, 75))
    spread = max(_SIGMA_OF_MAD * float(np.median(np.abs(away))), _SIGMA_OF_IQR * float(upper - lower), least_spread)
    return np.asarray(away / spread)
