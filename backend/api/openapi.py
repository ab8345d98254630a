"""The OpenAPI document where FastAPI cannot derive it: our own form parser, the problem schema, keys and refusals."""

from typing import Any

from fastapi import FastAPI, Response
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from backend.api.middleware.paths import is_open
from backend.api.problems import ProblemBody, documented
from backend.contract.errors import (
    CrossSiteError,
    EmptyFileError,
    HostNotAllowedError,
    ImageCorruptError,
    InvalidParameterError,
    MattemeshError,
    MissingFileError,
    ModelUnavailableError,
    NotReadyError,
    OutOfMemoryError,
    OverloadedError,
    RateLimitedError,
    StorageFailedError,
    StorageFullError,
    TimedOutError,
    TooManyFilesError,
    TooManyPixelsError,
    UnauthorizedError,
    UnsupportedImageTypeError,
    UploadTooLargeError,
    UploadTooSlowError,
    WorkerLostError,
)
from backend.contract.settings import Settings
from backend.contract.work import KINDS, PARTS, Kind

WORK_ERRORS = (  # of every kind of work
    MissingFileError,
    TooManyFilesError,
    EmptyFileError,
    InvalidParameterError,
    UnsupportedImageTypeError,
    ImageCorruptError,
    UploadTooLargeError,
    TooManyPixelsError,
    UploadTooSlowError,
    NotReadyError,
    OverloadedError,
    TimedOutError,
    WorkerLostError,
    ModelUnavailableError,
    OutOfMemoryError,
    StorageFailedError,
    StorageFullError,
)
SCHEMA = "#/components/schemas/{model}"
KEY_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def work_documentation(kind: Kind) -> dict[str, Any]:
    """Return the keyword arguments of `add_api_route` that document the route of `kind`."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = dict.fromkeys([*kind.media_types, "application/zip"], binary)
    content["application/json"] = {"schema": _report_and_result(kind)}
    result = {
        "description": "The file; with `Accept: application/json` the report with the file in it as base64; "
        "with `debug=true` a zip of the file, the report and every intermediate picture.",
        "content": content,
    }
    return {
        "summary": kind.title,
        "description": kind.about,
        "tags": [kind.tag],
        "response_class": Response,
        "responses": {200: result, **documented(*WORK_ERRORS, *kind.raises)},
        "openapi_extra": form_documentation(kind),
    }


def _report_and_result(kind: Kind) -> dict[str, Any]:
    """Return the schema of a JSON answer: the kind's report, and the file as base64."""
    file = {"name": {"type": "string"}, "media_type": {"type": "string"}, "base64": {"type": "string"}}
    result = {"type": "object", "required": list(file), "properties": file}
    properties = {"report": {"$ref": SCHEMA.format(model=kind.report.__name__)}, "result": result}
    return {"type": "object", "required": list(properties), "properties": properties}


def form_documentation(kind: Kind) -> dict[str, Any]:
    """Return the OpenAPI request body of `kind`: its files, and every option with its range."""
    properties = {
        **{
            name: {"type": "string", "format": "binary", "description": kind.about_files.get(name, PARTS[name])}
            for name in kind.files
        },
        **kind.options.model_json_schema()["properties"],
    }
    return request_body(properties, list(kind.required))


def request_body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Return the OpenAPI request body of these fields: as a form, and as JSON with the files in base64."""
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    in_json = {
        name: {"type": "string", "format": "byte", "description": f"{field['description']} In base64."}
        if field.get("format") == "binary"
        else field
        for name, field in properties.items()
    }
    content = {
        "multipart/form-data": {"schema": schema},
        "application/json": {"schema": {**schema, "properties": in_json}},
    }
    return {"requestBody": {"required": True, "content": content}}


def complete_openapi(app: FastAPI, settings: Settings) -> None:
    """Add to `app`'s OpenAPI document the problem schema and, per operation, the keys and refusals of `settings`."""
    generate = app.openapi

    def completed() -> dict[str, Any]:
        document = generate()
        components = document.setdefault("components", {})
        reports: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            (kind.report, "serialization") for kind in KINDS.values()
        ]
        _, definitions = models_json_schema(reports, ref_template=SCHEMA)
        components.setdefault("schemas", {}).update(definitions["$defs"], ProblemBody=ProblemBody.model_json_schema())
        if settings.api_keys:
            components["securitySchemes"] = KEY_SCHEMES
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                refusals = _refusals(settings, is_open(path), method)
                if UnauthorizedError in refusals:
                    operation["security"] = [{name: []} for name in KEY_SCHEMES]
                for status, response in documented(*refusals).items():
                    operation["responses"].setdefault(str(status), response)
        return document

    app.openapi = completed  # type: ignore[method-assign]  # the way FastAPI documents for this


def _refusals(settings: Settings, is_open_path: bool, method: str) -> list[type[MattemeshError]]:
    """Return the errors with which the middleware can refuse a request for one operation."""
    refusals: list[type[MattemeshError]] = [HostNotAllowedError]
    if method != "get":
        refusals.append(CrossSiteError)
    if settings.api_keys and not is_open_path:
        refusals.append(UnauthorizedError)
    if settings.rate_limit is not None and not is_open_path:
        refusals.append(RateLimitedError)
    return refusals
