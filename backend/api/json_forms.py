"""A JSON body -> the form that it stands for: the files in base64, every option as the text that a form would have."""

import base64
import io
import json
import re
from collections.abc import Collection
from typing import Any

from starlette.datastructures import FormData, UploadFile

from backend.contract.errors import InvalidParameterError, MissingFileError

DATA_URL = re.compile(r"data:[\w.+/-]{0,100};base64,")


def form_of_json(body: bytes, files: Collection[str], max_text_bytes: int) -> FormData:
    """Return the form of `body`, an object; the names in `files` hold base64, also as a data URL.

    Raises InvalidParameterError for what is no such object, for a name that comes twice and for an option of more than
    `max_text_bytes`, and MissingFileError for a file that is not base64.
    """
    try:
        fields = json.loads(body, object_pairs_hook=_with_each_name_once)
    except (ValueError, RecursionError):
        raise InvalidParameterError("The body is not valid JSON.", parameter="body") from None
    if not isinstance(fields, dict):
        raise InvalidParameterError("The body has to be a JSON object: the files and the options.", parameter="body")
    items: list[tuple[str, UploadFile | str]] = []
    for name, value in fields.items():
        if value is None:
            continue
        if name in files:
            data = _bytes_of(name, value)
            items.append((name, UploadFile(io.BytesIO(data), size=len(data), filename=name)))
            continue
        text = _text_of(value)
        if len(text) > max_text_bytes:
            raise InvalidParameterError(
                f"The option `{name[:40]}` is longer than {max_text_bytes // 1024} KiB.",
                parameter=name[:40],
                limit=max_text_bytes,
            )
        items.append((name, text))
    return FormData(items)


def _with_each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)[:40]
        raise InvalidParameterError(f"The option `{name}` was sent twice.", parameter=name)
    return fields


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)  # true, 3, [{"x": 1}]


def _bytes_of(name: str, value: Any) -> bytes:
    try:
        head = DATA_URL.match(value)
        return base64.b64decode("".join(value[head.end() if head else 0 :].split()), validate=True)
    except (TypeError, ValueError):  # not text, or not of base64's letters
        raise MissingFileError(f"The part `{name}` is not base64. Send the picture so.", parameter=name) from None
