// Made by make_types.py from /openapi.json.

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

export interface MaskOptions {
  debug?: boolean;
  model?: string;
  quality?: "fast" | "balanced" | "best";
  refiner?: "learned" | "classic";
  multi_scale?: boolean;
  holes?: "auto" | "keep" | "fill" | "open" | null;
  refine?: boolean;
  roi?: string | null;
  use_alpha?: boolean;
  score_threshold?: number;
  classes?: string;
  instances?: "main" | "all" | number;
  cloth?: "attire" | "upper" | "lower" | "full";
  points?: string;
  matting?: "own" | "rembg";
  strategy?: "auto" | "depth_guided" | "intersection" | "union" | "segmentation";
  depth_percentile?: number | "auto";
  feather_px?: number;
  mode?: "object" | "document";
  edges?: "auto" | "soft" | "sharp";
  output?: "mask" | "cutout" | null;
  background?: string | null;
  shadow?: "none" | "soft" | "contact";
  output_format?: "png" | "webp" | "jpeg" | "avif";
  output_quality?: number;
  keep_metadata?: boolean;
  crop?: boolean;
  margin?: number;
}

export interface MeshOptions {
  debug?: boolean;
  model?: string;
  quality?: "fast" | "balanced" | "best";
  refiner?: "learned" | "classic";
  multi_scale?: boolean;
  holes?: "auto" | "keep" | "fill" | "open" | null;
  refine?: boolean;
  roi?: string | null;
  use_alpha?: boolean;
  score_threshold?: number;
  classes?: string;
  instances?: "main" | "all" | number;
  cloth?: "attire" | "upper" | "lower" | "full";
  points?: string;
  matting?: "own" | "rembg";
  strategy?: "auto" | "depth_guided" | "intersection" | "union" | "segmentation" | null;
  depth_percentile?: number | "auto";
  feather_px?: number;
  preset?: "blender" | "unity" | "unreal" | "web" | "print" | "ar" | null;
  format?: "glb" | "obj" | "ply" | "stl" | "3mf" | "usdz";
  up?: "y" | "z" | null;
  pivot?: "own" | "foot" | "centre";
  height_mm?: number | null;
  height_m?: number | null;
  target_faces?: number | null;
  shading?: "lit" | "unlit" | null;
  flat_foot?: boolean;
  texture?: "auto" | "vertex" | "baked";
  texture_px?: number | null;
  texture_quality?: number;
  texture_format?: "jpeg" | "webp";
  quantize?: boolean;
  engine?: "auto" | "triposr" | "form" | "relief";
  foreground_ratio?: number;
  resolution?: number;
  threshold?: number;
  smooth?: boolean;
  project_photo?: boolean;
  depth_guide?: number;
}
