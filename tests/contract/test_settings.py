"""Settings: bounds that are refused in one line, and a service that answers with whatever was accepted."""

import math
import tempfile
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.testclient import TestClient

from backend.contract.settings import Settings, invalid_settings
from backend.main import create_app
from backend.weights.remote_services import REMOTE_SERVICES
from tests.helpers.scripted_runner import ScriptedRunner

FOLDERS = ("checkpoints_dir", "triposr_weights", "logs_dir", "data_dir", "debug_dir")
ADDRESSES = ["http://127.0.0.1:1/v1", "https://bria.example/"]
NO_ADDRESSES = ["api.example", "http://", "http://a:port", "http://a:99999", "ftp://a", "http://a b"]
# Values of the settings that are texts: good ones and bad ones.
TEXTS: dict[str, tuple[list[str], list[str]]] = {
    "cuda_devices": (["0", "0,1", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"], ["first", "-1", "0;1", "\udcff"]),
    "cache_url": (
        ["redis://127.0.0.1:1", "redis://:password@127.0.0.1:1/3", "unix:///nowhere/redis.sock"],
        ["abc", "http://127.0.0.1", "redis://localhost:notaport", "redis://localhost?colour=red", "redis://h:1/x?db=y"],
    ),
    "cache_secret": (["correct horse battery staple"], ["short"]),
    "api_key": (["one", "one, two", "schlüssel"], [",", "a\nb", "a\x00b", "\udcff"]),
    **{service.key_setting: (["key"], [",", "\udcff"]) for service in REMOTE_SERVICES.values()},
    **{service.url_setting: (ADDRESSES, NO_ADDRESSES) for service in REMOTE_SERVICES.values()},
    "rate_limit": (
        ["100/minute", "50/2 hours;1000/day", "1000000/second"],
        ["0/second", "9999999999/day", "1/99999999 years", "9", "1/eon"],
    ),
    "rate_limit_url": (["redis://127.0.0.1:1", "unix:///nowhere/redis.sock"], ["abc", "redis://localhost:notaport"]),
    "cluster": (["auto", "10.0.0.1:6379", "[::1]:6379"], ["10.0.0.1", "ray://head:10001", "auto ", "head:port"]),
    "cluster_mask_replicas": (["1", "1..16"], ["0", "3..2", "many", "1..", "1...3"]),
    "cluster_mesh_replicas": (["4", "2..2"], ["-1", "0..2", "99999"]),
    "jobs_url": (["postgresql://me:secret@127.0.0.1:1/jobs"], ["abc", "redis://localhost", "postgresql://"]),
    "files_url": (["s3://photos", "s3://photos/of/jobs", "/srv/jobs"], ["photos", "s3:photos", "http://a/b", "s3://"]),
    "cors_origins": (["*", "https://shop.example,http://localhost:3000"], ["shop.example", "https://a/b"]),
    "allowed_hosts": (["localhost", "*", "matte.example, *.shop.example"], ["a:8000", "http://a", "*a", "a b"]),
    "segmenter": (["auto", "border", "u2net", "rembg:sam", "shoes"], ["../x", "A B", "-x", "x" * 65]),
    "model_sources": (["packages", "packages, releases,hub,torch"], ["pypi", "packages,,github"]),
    "trusted_proxies": (["127.0.0.1", "10.0.0.0/8,::1"], ["*", "nginx", "10.0.0.0/99"]),
}
PARTNERS = {"jobs_url": {"files_url": "/srv/jobs"}, "files_url": {"jobs_url": "postgresql://name/jobs"}}
PHOTO = {"file": b"photo"}


def kind_of(name: str) -> Any:
    """Return the type of a setting, without None."""
    annotation = Settings.model_fields[name].annotation
    rest = [one for one in get_args(annotation) if one is not NoneType]
    return rest[0] if NoneType in get_args(annotation) else annotation


NUMBERS = [name for name in Settings.model_fields if kind_of(name) in (int, float)]


def bound(name: str, *names: str) -> float | None:
    """Return the bound of a number that is written as one of `names`, as ge or gt."""
    found = [getattr(row, one) for row in Settings.model_fields[name].metadata for one in names if hasattr(row, one)]
    return found[0] if found else None


def good_values(name: str) -> st.SearchStrategy[Any]:
    """Return what a setting accepts by itself; numbers lie on their bounds more often than between them."""
    kind = kind_of(name)
    if name in TEXTS:
        return st.sampled_from(TEXTS[name][0])
    if kind is bool:
        return st.booleans()
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    low, high = bound(name, "ge", "gt"), bound(name, "le", "lt")
    assert low is not None and high is not None
    if kind is int:
        return st.sampled_from([low, high]) | st.integers(int(low), int(high))
    open_low, open_high = bound(name, "gt") is not None, bound(name, "lt") is not None
    ends = [end for end, is_open in ((low, open_low), (high, open_high)) if not is_open]
    between = st.floats(low, high, exclude_min=open_low, exclude_max=open_high)
    return st.sampled_from(ends) | between if ends else between


VARIED = [name for name in Settings.model_fields if name not in (*FOLDERS, *PARTNERS, "fetch_weights")]


def refusal(name: str, value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        Settings(**{name: value})  # type: ignore[arg-type]
    return invalid_settings(raised.value)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_two_bounds_and_refuses_what_is_none(name: str) -> None:
    for value in (math.inf, -math.inf, math.nan, "inf", "nan", "9" * 23, "9" * 5000, -1, "many"):
        sentence = refusal(name, value)
        assert sentence.startswith(f"invalid setting {name.upper()}: ") and "\n" not in sentence
    assert bound(name, "ge", "gt") is not None and bound(name, "le", "lt") is not None


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_of_no_sense_is_refused_in_one_line_that_does_not_repeat_a_secret(name: str) -> None:
    for good in TEXTS[name][0]:
        assert Settings(**{name: good, **PARTNERS.get(name, {})})  # type: ignore[arg-type]
    for bad in TEXTS[name][1]:
        sentence = refusal(name, bad)
        assert sentence.startswith(f"invalid setting {name.upper()}: ") and "\n" not in sentence
        assert "key" not in name or bad not in sentence


def test_a_refused_password_is_in_no_message() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(cache_url="redis://:hunter2@localhost:x")  # type: ignore[arg-type]
    assert "hunter2" not in str(raised.value) and "hunter2" not in invalid_settings(raised.value)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ({"mask_threshold_min": 0.9}, "MASK_THRESHOLD_MIN is above MASK_THRESHOLD_MAX"),
        ({"max_uploads_bytes": 2048}, "MAX_UPLOAD_BYTES is above MAX_UPLOADS_BYTES"),
        ({"result_bytes": 2048}, "MAX_UPLOAD_BYTES is above RESULT_BYTES"),
        ({"jobs_url": "postgresql://name/jobs"}, "JOBS_URL and FILES_URL belong together: set both or none"),
        ({"files_url": "/srv/jobs"}, "JOBS_URL and FILES_URL belong together: set both or none"),
    ],
)
def test_settings_that_contradict_each_other_are_named(lower: dict[str, Any], upper: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(**lower)
    assert invalid_settings(raised.value) == f"invalid setting: {upper}"


@settings(max_examples=60, deadline=None)
@given(values=st.fixed_dictionaries({}, optional={name: good_values(name) for name in VARIED}), debug=st.booleans())
def test_the_service_answers_with_whatever_settings_were_accepted(values: dict[str, Any], debug: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {"checkpoints_dir": folder / "c", "logs_dir": folder / "l", "data_dir": folder / "d"}
        try:
            chosen = Settings(**{**paths, "cache_bytes": 10**6, "debug_dir": folder / "b" if debug else None, **values})
        except ValidationError as error:
            assert all(line.startswith("invalid setting: ") for line in invalid_settings(error).splitlines())
            return  # each is good by itself, and they contradict each other
        key = {"X-API-Key": chosen.api_keys[0].encode()} if chosen.api_keys else {}
        app = create_app(chosen, ScriptedRunner())  # type: ignore[arg-type]
        with TestClient(app, base_url="http://127.0.0.1", headers=key) as client:
            assert client.post("/remove-bg", files=PHOTO).status_code == 200
            assert client.post("/jobs", files=PHOTO, data={"kind": "remove-bg"}).status_code == 202
            assert client.get("/jobs").status_code == 200
            assert client.get("/metrics").status_code == client.get("/readyz").status_code == 200
