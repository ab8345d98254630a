"""A refused option is told in one sentence that names it and what it takes."""

import pytest
from pydantic import ValidationError

from backend.contract.options import MaskOptions, invalid_option


@pytest.mark.parametrize(
    ("option", "value", "forms"),
    [
        ("instances", "0", ("'main' or 'all'", "greater than or equal to 1")),
        ("instances", "101", ("'main' or 'all'", "less than or equal to 100")),
        ("depth_percentile", "0", ("greater than or equal to 1", "'auto'")),
        ("holes", "Auto", ("'auto', 'keep', 'fill' or 'open'",)),
    ],
)
def test_an_option_with_two_forms_is_refused_with_what_each_of_them_takes(
    option: str, value: str, forms: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as raised:
        MaskOptions.model_validate({option: value})
    told = str(invalid_option(raised.value))
    assert told.startswith(f"The option `{option}`: ") and told.count("; or: ") == len(forms) - 1
    assert all(form in told for form in forms)
