"""Every limit, path and default of the service, read from the environment once.

The name of the environment variable is the field's name in capitals: `MAX_PIXELS=20000000 ./setup.sh run`.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.contract.machine import default_max_pixels
from backend.contract.options import Strategy

REPOSITORY = Path(__file__).resolve().parents[2]  # the checkout; of an installed package, site-packages


def _default_folder() -> Path:
    """Return the folder of weights, logs and jobs: the checkout, or for an installed package the user's data folder."""
    return REPOSITORY if (REPOSITORY / "checkpoints").is_dir() else user_data_path("mattemesh", appauthor=False)


DEFAULT_FOLDER = _default_folder()
# Bounds. What lies beyond them is a slip, and far beyond them a number that SQLite, a timer or a date cannot hold.
MIN_WAIT_S, MAX_WAIT_S = 0.01, 7 * 86_400.0  # of a deadline
MAX_TTL_S = 10 * 366 * 86_400.0  # of what is kept
MAX_STORE_BYTES = 2**50
MODEL_SOURCES = ("releases", "hub", "torch", "packages")  # rembg's page, Hugging Face, PyTorch's site, PyPI and npm


def _split(value: object) -> object:
    """Return the parts of a list as the environment has it, `a, b`; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _holds_a_key(value: SecretStr) -> SecretStr:
    """Return `value`. Raises ValueError for one that has no key, or one that no header can carry."""
    if not _split(value.get_secret_value()):
        raise ValueError("there is no key in it")  # a lone comma must not open the service
    if not value.get_secret_value().isprintable():
        raise ValueError("a key holds a character that no header can carry")
    return value


def _is_an_address(value: str) -> str:
    """Return the base address `value` without a slash at its end. Raises ValueError for anything else."""
    if not re.fullmatch(r"https?://[^/?#@\s\\]+(/[^?#\s\\]*)?", value):
        raise ValueError("write http://name/path or https://name/path")
    urlsplit(value).port  # noqa: B018  # raises ValueError for a port that cannot be one
    return value.rstrip("/")


def _replicas(value: object) -> object:
    """Return the least and the most from "4" or "1..16"; anything else as it is. Raises ValueError."""
    if not isinstance(value, str | int):
        return value
    numbers = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", str(value))
    if numbers is None:
        raise ValueError("write a number, as 4, or the least and the most, as 1..16")
    least, most = int(numbers[1]), int(numbers[2] or numbers[1])
    if not 1 <= least <= most:
        raise ValueError("the least is 1 or more, and the most no less than that")
    return least, most


Replicas = Annotated[tuple[int, int], NoDecode, BeforeValidator(_replicas)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Key = Annotated[SecretStr, AfterValidator(_holds_a_key)]
Address = Annotated[str, AfterValidator(_is_an_address)]


class Settings(BaseSettings):
    """The operator's decisions; a request can change none of them."""

    model_config = SettingsConfigDict(
        env_prefix="",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a key
    )

    # Folders.
    checkpoints_dir: Path = Field(DEFAULT_FOLDER / "checkpoints", description="weights")
    triposr_weights: Path | None = Field(None, description="own weights of TripoSR's layout, in place of the published")
    logs_dir: Path = Field(DEFAULT_FOLDER / "logs", description="backend.log and its older copies")
    data_dir: Path = Field(DEFAULT_FOLDER / "data", description="jobs with their photos and results")
    debug_dir: Path | None = Field(None, description="when set, each request leaves its debug bundle there")

    # Workers and devices.
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where the networks run")
    threads: int = Field(0, ge=0, le=256, description="threads of the networks on a CPU; 0: one per core")
    mask_workers: int = Field(1, ge=1, le=64, description="processes that make masks")
    mesh_workers: int = Field(1, ge=1, le=64, description="processes that make meshes")
    remote_workers: int = Field(
        2, ge=1, le=64, description="processes that ask remote services, started where one has a key"
    )
    cuda_devices: Names = Field(
        (), description="GPU numbers, assigned to the workers of each lane in turn; unset: the first"
    )
    batch_size: int = Field(1, ge=1, le=16, description="pieces of work that one worker runs at once")
    max_waiting: int = Field(16, ge=0, le=10_000, description="requests that may wait in each lane")
    mask_deadline_s: float = Field(30.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="a mask's longest run")
    mesh_deadline_s: float = Field(300.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="a mesh's longest run")
    queue_deadline_s: float = Field(
        30.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="the longest wait before a run begins"
    )

    # Limits of an upload.
    max_upload_bytes: int = Field(20 * 1024 * 1024, ge=1024, le=2**32, description="bytes of one file")
    max_pixels: int = Field(
        default_factory=default_max_pixels,  # of the fields above
        ge=1,
        le=2**30,
        description="width × height; by default 50 million, or fewer where memory is short",
    )
    max_side_px: int = Field(16_384, ge=1, le=2**20, description="the longer side")

    # Slow clients, and how the service stops; see docs/running.md.
    max_connections: int = Field(
        1000, ge=1, le=100_000, description="open at once; beyond it the longest idle one is closed"
    )
    max_streams_per_client: int = Field(32, ge=1, le=100_000, description="event streams of jobs that one client opens")
    head_deadline_s: float = Field(
        10.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="a request's head, from the connection or its first byte"
    )
    keep_alive_s: int = Field(30, ge=0, le=86_400, description="how long a connection may be idle between two requests")
    upload_deadline_s: float = Field(60.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="a whole upload")
    upload_patience_s: float = Field(
        10.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="how far an upload may fall behind MIN_BYTES_PER_S"
    )
    min_bytes_per_s: int = Field(1024, ge=1, le=2**30, description="lowest rate of an upload, and of reading an answer")
    answer_patience_s: float = Field(
        60.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="window in which the rate of reading is measured"
    )
    max_uploads_bytes: int = Field(2**30, ge=1024, le=2**40, description="bytes of all uploads in the service at once")
    max_answers_bytes: int = Field(
        2**30, ge=1024, le=2**40, description="bytes of all answers that clients have yet to read"
    )
    answer_deadline_s: float = Field(600.0, ge=MIN_WAIT_S, le=MAX_WAIT_S, description="for reading a whole answer")
    max_connections_per_address: int = Field(
        500, ge=1, le=100_000, description="open at once from one address, TRUSTED_PROXIES excepted"
    )
    drain_s: float = Field(
        1.0, ge=0, le=20, description="from SIGTERM, when /readyz turns 503, until the socket closes"
    )
    stop_deadline_s: int = Field(20, ge=0, le=25, description="how long running requests then have to finish")

    # Jobs.
    max_queued_jobs: int = Field(1000, ge=1, le=1_000_000, description="jobs that may wait")
    result_ttl_s: float = Field(
        24 * 3600.0,
        ge=1,
        le=MAX_TTL_S,
        validation_alias=AliasChoices("result_ttl_s", "result_ttl"),
        description="how long a finished job is kept; RESULT_TTL is read too",
    )
    result_bytes: int = Field(
        5_000_000_000,
        ge=1024,
        le=MAX_STORE_BYTES,
        description="size of all results, the oldest removed first; the same for waiting photos",
    )

    # A cluster of Ray; see docs/cluster.md.
    cluster: str | None = Field(
        None, description="auto or HOST:PORT of a head of Ray: masks and meshes are made on its machines"
    )
    cluster_mask_replicas: Replicas = Field((1, 1), description="replicas that make masks: 4, or 1..16 by the load")
    cluster_mesh_replicas: Replicas = Field((1, 1), description="replicas that make meshes: 4, or 1..16 by the load")
    cluster_mask_cpus: float = Field(1.0, ge=0, le=256, description="cores that a replica for masks reserves")
    cluster_mesh_cpus: float = Field(2.0, ge=0, le=256, description="cores that a replica for meshes reserves")
    cluster_mask_gpus: float = Field(0.0, ge=0, le=16, description="GPUs of a replica for masks; 0.5: two share one")
    cluster_mesh_gpus: float = Field(0.0, ge=0, le=16, description="GPUs of a replica for meshes; 0.5: two share one")

    jobs_url: SecretStr | None = Field(
        None, description="postgresql://…: jobs live there instead of in DATA_DIR, for several services"
    )
    files_url: str | None = Field(
        None, description="where the files of these jobs are: s3://bucket/folder, or a folder that all services share"
    )

    # The cache.
    cache_bytes: int = Field(
        1_000_000_000, ge=0, le=MAX_STORE_BYTES, description="size of the cache in DATA_DIR; 0: there is no cache"
    )
    cache_url: SecretStr | None = Field(None, description="redis://…: the cache lives there instead of in DATA_DIR")
    cache_secret: SecretStr | None = Field(
        None, min_length=16, description="seals cached entries; machines that share a Redis need the same one"
    )
    cache_ttl_s: float = Field(86_400.0, ge=1, le=MAX_TTL_S, description="lifetime of a cached result or stage")

    # The matte: defaults for what a request leaves open; see docs/matte.md for the stages.
    mask_threshold: float | None = Field(None, gt=0, lt=1, description="fixed saliency threshold; unset: adaptive")
    mask_threshold_min: float = Field(0.35, gt=0, lt=1, description="lower bound of the adaptive threshold")
    mask_threshold_max: float = Field(0.65, gt=0, lt=1, description="upper bound of the adaptive threshold")
    morph_kernel_size: int = Field(5, ge=0, le=99, description="px across, on a picture 1,024 px long; 0: off")
    holes: Literal["auto", "keep", "fill", "open"] = Field("auto", description="which holes of the object are filled")
    max_hole_share: float = Field(0.25, ge=0, le=1, description="of the object's area; `fill` leaves larger ones open")
    min_object_coverage: float = Field(0.05, ge=0, le=1, description="of the picture; less is a warning")
    max_object_coverage: float = Field(0.95, ge=0, le=1, description="of the picture; more is a warning")
    use_smart_padding: bool = Field(False, description="frame for the mesh by the object's shape and centre of mass")
    uniform_deviation: float = Field(25.0, ge=0, le=442, description="8-bit RGB; a uniform border deviates less")
    paper_distance: float = Field(80.0, gt=0, le=442, description="8-bit RGB; paper is this close to its colour")
    paper_saturation: float = Field(0.20, gt=0, le=1, description="HSV; paper is less saturated")
    paper_lightness: float = Field(0.70, ge=0, lt=1, description="HSL; paper is lighter")

    strategy: Strategy = Field(
        "auto", description="how the matte of a mesh is fused with depth when the request names no strategy"
    )
    depth_model: Literal["depth-anything-v2-vits", "depth-anything-v2-vitb", "depth-anything-v2-vitl"] = Field(
        "depth-anything-v2-vits", description="the depth network; vitb and vitl are for non-commercial use only"
    )
    depth_size_px: int = Field(518, ge=14, le=2072, description="shorter side of the picture that the network sees")

    # Weights.
    segmenter: str = Field(
        "auto",
        max_length=64,
        pattern=r"^(rembg:)?[a-z0-9][a-z0-9._-]*$",
        description="what a request's `auto` means: a segmenter by name, also your own; `auto`: the best network here",
    )
    fetch_weights: bool = Field(False, description="fetch the default weights beside the running service")
    model_sources: Names = Field(
        MODEL_SOURCES, description="where weights may come from, the first one first: releases, hub, torch, packages"
    )
    allow_noncommercial: bool = Field(False, description="allow models whose licence forbids commercial use")

    # Remote services. A picture is sent only where a request names the service and its key is set.
    removebg_api_key: Key | None = Field(None, description="of remove.bg, for model=removebg")
    removebg_api_url: Address | None = Field(
        None, description="base address in place of https://api.remove.bg/v1.0; pictures and key go there"
    )
    bria_api_key: Key | None = Field(None, description="of Bria, for model=bria")
    bria_api_url: Address | None = Field(
        None, description="base address in place of https://engine.prod.bria-api.com/v2; pictures and key go there"
    )

    # Access. Lists are separated by commas.
    api_key: Key | None = Field(None, description="keys, one of which every request needs; unset: open to all")
    rate_limit: str | None = Field(None, description='requests a client, as "60/minute" or "5/second;600/hour"')
    rate_limit_url: SecretStr | None = Field(None, description="redis://…: services that share it count together")
    foreign_apis: bool = Field(True, description="whether remove.bg's and rembg's clients are answered at their paths")
    cors_origins: Names = Field((), description="origins whose pages may call, as https://shop.example; * for all")
    allowed_hosts: Names = Field((), description="names that the service answers to; *.example.org for all below it")
    trusted_proxies: Names = Field((), description="addresses whose X-Forwarded-For is trusted")

    # Logs.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @property
    def api_keys(self) -> tuple[str, ...]:
        keys = _split(self.api_key.get_secret_value()) if self.api_key is not None else ()
        return keys if isinstance(keys, tuple) else ()

    @field_validator("cache_url", "rate_limit_url")
    @classmethod
    def _is_a_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            from redis import ConnectionPool  # takes 100 ms, which every command would pay

            try:
                ConnectionPool.from_url(value.get_secret_value()).make_connection()  # which does not connect yet
            except Exception as error:  # TypeError for an unknown parameter, as they come
                raise ValueError("write redis://name:port/number") from error
        return value

    @field_validator("jobs_url")
    @classmethod
    def _is_a_postgresql_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"postgres(ql)?://[^\s\x00]+", value.get_secret_value()):
            raise ValueError("write postgresql://user:password@name/database")
        return value

    @field_validator("cluster")
    @classmethod
    def _is_a_head(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"auto|([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}", value):
            raise ValueError("write auto, or HOST:PORT of the head, as 10.0.0.1:6379")
        return value

    @field_validator("files_url")
    @classmethod
    def _is_a_bucket_or_folder(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[\w./-]+)?|/[^\x00]+", value):
            raise ValueError("write s3://bucket/folder or the whole path of a folder")
        return value

    @field_validator("model_sources")
    @classmethod
    def _are_sources(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if value not in MODEL_SOURCES:
                raise ValueError(f"{value!a} is not a source; there are {', '.join(MODEL_SOURCES)}")
        return values

    @field_validator("cuda_devices")
    @classmethod
    def _are_devices(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not re.fullmatch(r"\d{1,3}|(GPU|MIG)-[\w/-]{1,100}", value):
                raise ValueError(f"{value!a} is not a GPU; write numbers, as 0,1")
        return values

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, value: str | None) -> str | None:
        if value is not None:
            from limits import parse_many  # takes 80 ms, which every command and worker would pay

            for rate in parse_many(value):
                if not (1 <= rate.amount <= 10**9 and 1 <= rate.get_expiry() <= MAX_TTL_S):
                    raise ValueError(f"{rate} allows nothing or lasts too long; write 60/minute")
        return value

    @field_validator("cors_origins", "allowed_hosts")
    @classmethod
    def _in_lower_case(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for value in values:
            if info.field_name == "cors_origins" and value != "*" and not re.fullmatch(r"https?://[^/*?#@\s]+", value):
                raise ValueError(f"{value} is not an origin; write https://name, with the port where there is one")
            if info.field_name == "allowed_hosts" and not re.fullmatch(r"\*|(\*\.)?[^/:*?#@\s]+", value):
                raise ValueError(f"{value} is not a host name; write matte.example, without a port, or *.example.org")
        return tuple(value.lower() for value in values)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ipaddress.ip_network(value)  # "*" is refused too: it would trust every client
        return values

    @model_validator(mode="after")
    def _in_order(self) -> "Settings":
        for lower, upper in (
            ("mask_threshold_min", "mask_threshold_max"),
            ("min_object_coverage", "max_object_coverage"),
            ("max_upload_bytes", "max_uploads_bytes"),
            ("max_upload_bytes", "result_bytes"),  # else the largest photo could never wait as a job
        ):
            if getattr(self, lower) > getattr(self, upper):
                raise ValueError(f"{lower.upper()} is above {upper.upper()}")
        if (self.jobs_url is None) != (self.files_url is None):
            raise ValueError("JOBS_URL and FILES_URL belong together: set both or none")
        return self


def invalid_settings(error: ValidationError) -> str:
    """Return what `Settings()` refused: one line for each variable."""
    lines = []
    for row in error.errors(include_url=False, include_input=False, include_context=False):
        if row["type"] == "default_factory_not_called":  # a default that follows from the invalid one
            continue
        name = " ".join(map(str, row["loc"])).upper()
        lines.append(f"invalid setting{' ' if name else ''}{name}: {row['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
