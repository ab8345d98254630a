"""Writes mattemesh.d.ts, the types of mattemesh.js, from the service's own /openapi.json.

    python clients/javascript/make_types.py

Run it after an option has changed; a test says when.
"""

import json
from pathlib import Path
from typing import Any

from backend.contract.settings import Settings
from backend.main import create_app

TYPES = Path(__file__).with_name("mattemesh.d.ts")
OPTIONS = {"MaskOptions": "/remove-bg", "MeshOptions": "/generate-mesh"}
HEAD = """// Made by make_types.py from /openapi.json.

export type Photo = Blob | ArrayBuffer | Uint8Array;
export type Kind = "remove-bg" | "generate-mesh";
export interface Answer { name: string; mediaType: string; data: Uint8Array; report: Record<string, unknown>; }
export interface Job {
  id: string;
  kind: Kind;
  state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  [field: string]: unknown;
}
export interface JobEvent { id: string; name: "state" | "stage" | "done"; data: Record<string, unknown>; }
export interface CallOptions { mask?: Photo; signal?: AbortSignal; }

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
}

export class Client {
  constructor(address?: string, options?: { key?: string; retries?: number; fetch?: typeof fetch });
  removeBg(photo: Photo, options?: MaskOptions, more?: CallOptions): Promise<Answer>;
  generateMesh(photo: Photo, options?: MeshOptions, more?: CallOptions): Promise<Answer>;
  submit(
    kind: Kind,
    photo: Photo,
    options?: MaskOptions | MeshOptions,
    more?: CallOptions & { idempotencyKey?: string },
  ): Promise<Job>;
  job(id: string): Promise<Job>;
  events(id: string, more?: { signal?: AbortSignal }): AsyncGenerator<JobEvent, void, void>;
  result(id: string): Promise<Answer>;
  file(id: string, name: string): Promise<Answer>;
  remove(id: string): Promise<void>;
}
"""


def types_of(document: dict[str, Any]) -> str:
    """Return the declarations for the service that `document`, an OpenAPI document, describes."""
    parts = [HEAD]
    for name, path in OPTIONS.items():
        body = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        fields = {key: schema for key, schema in body["properties"].items() if schema.get("format") != "binary"}
        lines = [f"  {key}?: {_type_of(schema)};" for key, schema in fields.items()]
        parts.append(f"\nexport interface {name} {{\n" + "\n".join(lines) + "\n}\n")
    return "".join(parts)


def _type_of(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    kinds = {"boolean": "boolean", "integer": "number", "number": "number", "null": "null", "string": "string"}
    return kinds.get(schema.get("type", ""), "unknown")


if __name__ == "__main__":
    TYPES.write_text(types_of(create_app(Settings()).openapi()))
