"""remove.bg and Bria as segmenters, against servers on this machine that speak their APIs or fail to."""

import base64
import dataclasses
import gzip
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image as PillowImage

from backend.cache.identity import model_fingerprint
from backend.contract.errors import ModelUnavailableError, OverloadedError, ServiceError, TimedOutError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.engines.remote.bria import is_in_store
from backend.engines.remote.exchange import ExchangeConfig
from backend.engines.remote.segmenter import RemoteSegmenter, copy_to_send
from backend.images.encode import encode_rgb_png
from backend.pipeline import cut_out
from backend.weights.listing import list_models
from tests.helpers.fake_service import (
    Act,
    FakeService,
    Rerouted,
    answer,
    cut_off,
    cutout_png,
    disc,
    dripping,
    endless,
    matte_png,
    photo,
    running,
    silent,
)

KEY = "key-of-the-operator"
PATIENT = ExchangeConfig(
    backoff_s=0.01, poll_s=0.01, connect_timeout_s=5.0, read_timeout_s=10.0, total_s=20.0, max_bytes=4 << 20
)
HASTY = dataclasses.replace(PATIENT, read_timeout_s=0.3, total_s=0.8)
STORE = "https://d111111abcdef8.cloudfront.net/api/res/one.png?Expires=1"


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as fake:
        yield fake


@pytest.fixture
def over() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def removebg(service: FakeService, *acts: Act, config: ExchangeConfig = PATIENT) -> RemoteSegmenter:
    service.acts = list(acts)
    return RemoteSegmenter("removebg", KEY, config=config, transport=Rerouted(service.port))


def bria(service: FakeService, *acts: Act, config: ExchangeConfig = PATIENT) -> RemoteSegmenter:
    service.acts = list(acts)
    return RemoteSegmenter("bria", KEY, config=config, transport=Rerouted(service.port))


def result(url: object = STORE) -> Act:
    return answer(200, json.dumps({"request_id": "1", "result": {"image_url": url}}).encode())


def under_way() -> Act:
    return answer(202, b'{"request_id": "1", "status_url": "https://engine.prod.bria-api.com/v2/status/1"}')


def errors(status: int, code: str, **headers: str) -> Act:
    return answer(status, json.dumps({"errors": [{"title": "No", "code": code, "detail": "x"}]}).encode(), **headers)


def test_the_matte_of_removebg_is_the_saliency(service: FakeService) -> None:
    guess = removebg(service, answer(200, matte_png(), X_Credits_Charged="1.0")).predict(photo())
    assert np.array_equal(guess.saliency, disc())
    assert guess.facts["credits_charged"] == 1.0 and guess.facts["picture_left_this_machine"] is True
    assert "left this machine" in guess.remarks[0] and "credit" in guess.remarks[0] and not guess.notes
    (heard,) = service.heard
    assert heard.url == "https://api.remove.bg/v1.0/removebg" and heard.headers["x-api-key"] == KEY
    for name, value in (("size", b"auto"), ("format", b"png"), ("channels", b"alpha")):
        assert f'name="{name}"'.encode() + b"\r\n\r\n" + value in heard.body
    assert b'name="image_file"' in heard.body


def test_the_cutout_of_bria_is_fetched_from_its_store_without_the_key(service: FakeService) -> None:
    guess = bria(service, result(), answer(200, cutout_png())).predict(photo())
    assert np.array_equal(guess.saliency, disc())
    asked, fetched = service.heard
    assert asked.url == "https://engine.prod.bria-api.com/v2/image/edit/remove_background"
    assert asked.headers["api_token"] == KEY and json.loads(asked.body)["sync"] is True
    assert fetched.url == STORE and fetched.method == "GET"
    assert "api_token" not in fetched.headers and KEY not in str(fetched.headers)


def test_a_result_that_bria_does_not_wait_for_is_looked_for(service: FakeService) -> None:
    going = answer(200, b'{"status": "IN_PROGRESS", "request_id": "1"}')
    done = answer(200, json.dumps({"status": "COMPLETED", "result": {"image_url": STORE}}).encode())
    guess = bria(service, under_way(), going, done, answer(200, cutout_png())).predict(photo())
    assert np.array_equal(guess.saliency, disc())
    assert [heard.url.rsplit("/", 1)[1] for heard in service.heard[1:3]] == ["1", "1"]
    assert [heard.headers.get("api_token") for heard in service.heard] == [KEY, KEY, KEY, None]
    with pytest.raises(TimedOutError):
        bria(service, under_way(), going, config=HASTY).predict(photo())


@pytest.mark.parametrize("name", ["removebg", "bria"])
def test_an_operators_own_address_is_asked_in_place_of_the_published(
    name: str, service: FakeService, tmp_path: Path
) -> None:
    """No transport leads anywhere here: this is how a gateway, or a test from outside, comes in between."""
    own = f"http://127.0.0.1:{service.port}/gate/"
    settings = Settings.model_validate({
        "checkpoints_dir": tmp_path, f"{name}_api_key": KEY, f"{name}_api_url": own,
    })  # fmt: skip
    service.acts = (
        [answer(200, matte_png())] if name == "removebg" else [result(own + "1.png"), answer(200, cutout_png())]
    )
    cutout = cut_out(photo(), MaskOptions(model=name), engines=Engines(settings))
    assert (cutout.alpha >= 0.5)[30, 45] and not (cutout.alpha >= 0.5)[2, 2]
    paths = {"removebg": ["/gate/removebg"], "bria": ["/gate/image/edit/remove_background", "/gate/1.png"]}
    assert [urlsplit(heard.url).path for heard in service.heard] == paths[name]
    assert model_fingerprint(name, settings) != model_fingerprint(
        name, Settings(bria_api_key=KEY, removebg_api_key=KEY)
    )


@pytest.mark.parametrize("address", ["api.remove.bg", "ftp://a/b", "https://key@a/b", "https://a/b?c", "https://a b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="removebg_api_url"):
        Settings(removebg_api_url=address)


def test_nothing_of_the_file_travels_but_its_pixels(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = PillowImage.Exif()
    exif[0x010F] = "Secret camera"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 30.0)
    stream = io.BytesIO()
    PillowImage.fromarray(photo()).save(stream, "JPEG", exif=exif, comment=b"at home")
    assert b"Secret camera" in stream.getvalue()
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    found = bria(service, result(), answer(200, cutout_png()))
    monkeypatch.setattr(engines, "segmenter", lambda name: found)
    trace = Trace()
    report = cut_out(stream.getvalue(), MaskOptions(model="bria"), engines=engines, trace=trace).report.as_json()
    sent = base64.b64decode(json.loads(service.heard[0].body)["image"])
    assert sent.startswith(b"\xff\xd8") and b"Exif" not in sent and b"Secret" not in sent and b"home" not in sent
    with PillowImage.open(io.BytesIO(sent)) as opened:
        assert not opened.getexif() and opened.size == (96, 64)
    assert report["segmenter"]["service"] == "Bria" and report["models"][0]["licence"] == "Bria's terms"
    assert any("left this machine" in note for note in trace.notes)


def test_a_large_picture_is_sent_reduced_and_its_matte_brought_back_up(service: FakeService) -> None:
    big = photo(300, 2400)
    guess = removebg(service, answer(200, matte_png(256, 2048)), config=ExchangeConfig()).predict(big)
    assert guess.saliency.shape == (300, 2400)
    assert (guess.facts["sent_height"], guess.facts["sent_width"]) == (256, 2048)
    assert np.abs(guess.saliency - disc(300, 2400)).mean() < 0.002
    assert guess.saliency.min() >= 0 and guess.saliency.max() <= 1


@pytest.mark.parametrize(
    ("size", "sent"), [((60, 90), (64, 96)), ((1, 1), (64, 64)), ((5000, 1000), (2048, 410)), ((3, 9000), (1, 2048))]
)
def test_the_copy_that_is_sent_is_neither_too_large_nor_too_small(size: tuple[int, int], sent: tuple[int, int]) -> None:
    assert copy_to_send(np.zeros((*size, 3), np.uint8)).shape[:2] == sent


def test_a_preview_is_named_as_one(service: FakeService) -> None:
    guess = removebg(service, answer(200, matte_png(200, 300))).predict(photo(800, 1200))
    assert guess.saliency.shape == (800, 1200) and "300 × 200" in guess.remarks[1]


def test_a_service_that_sees_no_object_gives_an_empty_mask_and_says_so(service: FakeService) -> None:
    guess = removebg(service, errors(400, "unknown_foreground")).predict(photo())
    assert not guess.saliency.any() and "found nothing" in guess.notes[0]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (errors(402, "insufficient_credits"), r"no credits left.*insufficient_credits"),
        (errors(403, "auth_failed"), r"refuses the key in REMOVEBG_API_KEY.*auth_failed"),
        (answer(401), "refuses the key"),
        (errors(400, "file_too_large"), r"refuses the picture with 400 \(file_too_large\)"),
        (errors(400, "<script>alert(1)</script>"), r"refuses the picture with 400\."),
        (answer(418, b"[" * 100_000), "refuses the picture with 418"),
        (answer(302, b"", Location="http://127.0.0.1/"), "refuses the picture with 302"),
        (answer(200, b""), "not a picture"),
        (answer(200, b"<html>hello"), "not a picture"),
        (answer(200, matte_png()[:-40]), "not a picture"),
        (answer(200, encode_rgb_png(photo())), "without a matte"),
        (answer(200, matte_png(90, 60)), "another shape"),
        (answer(200, matte_png(600, 900)), "not a picture"),
        (cut_off(10_000, matte_png()), "broke the connection off"),
        (endless(6), "too large an answer"),
        (answer(200, b"nothing packed", Content_Encoding="gzip"), "cannot be unpacked"),
        (
            answer(200, gzip.compress(gzip.compress(bytes(1 << 20))), Content_Encoding="gzip, gzip"),
            "cannot be unpacked",
        ),
        (answer(200, gzip.compress(bytes(5 << 20)), Content_Encoding="gzip"), "too large an answer"),
    ],
)
def test_what_removebg_may_answer_instead(act: Act, words: str, service: FakeService) -> None:
    with pytest.raises(ModelUnavailableError, match=words) as caught:
        removebg(service, act).predict(photo(64, 96))
    assert len(service.heard) == 1, "only 429 and 5xx are asked again"
    assert KEY not in caught.value.detail and "127.0.0.1" not in caught.value.detail


@pytest.mark.parametrize(
    ("acts", "words"),
    [
        ((answer(402, b'{"error": {"code": "PAYMENT"}}'),), r"no credit left.*PAYMENT"),
        ((answer(401, b'{"error": "x y"}'),), r"refuses the key in BRIA_API_KEY\."),
        ((answer(422, b"not json"),), r"refuses the picture with 422"),
        ((answer(200, b"not json"),), "names no address"),
        ((answer(200, b"[]"),), "names no address"),
        ((answer(202, b'{"status_url": "https://engine.prod.bria-api.com.evil.example/1"}'),), "names no address"),
        ((answer(200, b'{"status_url": "http://engine.prod.bria-api.com/v2/status/1"}'),), "names no address"),
        ((answer(202, b'{"status_url": ["x"]}'),), "names no address"),
        ((under_way(), answer(404)), "with 404"),
        ((under_way(), answer(200, b'{"status": "ERROR", "error": {"code": 460}}')), r"could not process.*\(460\)"),
        ((under_way(), answer(302, b"", Location="https://elsewhere.example/")), "with 302"),
        ((result(None),), "names no address"),
        ((result("http://a.cloudfront.net/x.png"),), "names no address"),
        ((result("https://169.254.169.254/latest/meta-data"),), "names no address"),
        ((result(), answer(403)), "refuses to hand out its result: 403"),
        ((result(), answer(301, b"", Location="http://localhost/")), "refuses to hand out its result: 301"),
        ((result(), answer(200, encode_rgb_png(photo()))), "without a matte"),
        ((result(), answer(200, matte_png())), "without a matte"),
        ((result(), cut_off(10_000, cutout_png())), "broke the connection off"),
    ],
)
def test_what_bria_may_answer_instead(acts: tuple[Act, ...], words: str, service: FakeService) -> None:
    with pytest.raises(ModelUnavailableError, match=words):
        bria(service, *acts).predict(photo())
    assert len(service.heard) == len(acts)


@pytest.mark.parametrize(
    "url",
    [
        "https://cloudfront.net.evil.example/x",
        "https://evilcloudfront.net/x",
        "https://user@a.cloudfront.net/x",
        "https://a.cloudfront.net@127.0.0.1/x",
        "https://a.cloudfront.net:8443/x",
        "https://a.cloudfront.net:http/x",
        "https://127.0.0.1\\.cloudfront.net/x",
        "https://a.cloudfront.net/\r\nHost: b",
        "https://[::1]/x",
        "https://[",
        "file:///etc/passwd",
        "//a.cloudfront.net/x",
        "",
    ],
)
def test_only_plain_addresses_in_brias_store_are_fetched(url: str) -> None:
    assert not is_in_store(url)


def test_brias_own_hosts_are_its_store() -> None:
    assert is_in_store(STORE) and is_in_store("https://engine.prod.bria-api.com/x.png")
    assert is_in_store("https://labs-assets.BRIA.ai:443/x.png")


@pytest.mark.parametrize("first", [answer(500), answer(503), answer(429, b"", Retry_After="0")])
def test_a_passing_failure_is_asked_again(first: Act, service: FakeService) -> None:
    guess = removebg(service, first, answer(200, matte_png())).predict(photo())
    assert np.array_equal(guess.saliency, disc()) and len(service.heard) == 2
    assert service.heard[0].body[-2000:-200] == service.heard[1].body[-2000:-200], "the same picture again"


def test_a_lasting_failure_is_asked_three_times(service: FakeService) -> None:
    with pytest.raises(ModelUnavailableError, match="answers 502"):
        removebg(service, answer(502)).predict(photo())
    assert len(service.heard) == 3


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that an exchange asks for; none is kept."""
    asked: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=asked.append)
    monkeypatch.setattr("backend.engines.remote.exchange.time", clock)
    return asked


def test_the_wait_that_is_asked_for_is_kept(service: FakeService, waits: list[float]) -> None:
    config = dataclasses.replace(PATIENT, total_s=3000.0)
    removebg(service, answer(429, b"", Retry_After="1000"), answer(200, matte_png()), config=config).predict(photo())
    assert waits == [1000.0]


def test_a_wait_longer_than_there_is_time_is_no_wait(service: FakeService, waits: list[float]) -> None:
    with pytest.raises(OverloadedError, match="accepts no more pictures") as caught:
        removebg(service, answer(429, b"", Retry_After="3600")).predict(photo())
    assert waits == [] and len(service.heard) == 1
    assert caught.value.retry_after_s and "status" not in caught.value.numbers, "the problem has a status of its own"


@pytest.mark.parametrize("slowly", [silent, dripping])
def test_a_slow_service_is_given_up_in_time(slowly: object, service: FakeService, over: threading.Event) -> None:
    with pytest.raises(TimedOutError, match="did not answer in time"):
        removebg(service, slowly(over), config=HASTY).predict(photo())  # type: ignore[operator]
    assert len(service.heard) == 1


def test_a_service_that_is_not_there_is_an_error(service: FakeService) -> None:
    class Nowhere(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("no route to 10.0.0.1", request=request)

    with pytest.raises(ModelUnavailableError, match=r"^remove\.bg cannot be reached from here\.$"):
        RemoteSegmenter("removebg", KEY, config=HASTY, transport=Nowhere()).predict(photo())


def test_an_answer_that_is_known_is_not_paid_for_again(service: FakeService) -> None:
    kept: dict[bytes, object] = {}

    def memoize(stage: str, detail: str, given: np.ndarray, compute: object) -> object:
        if given.tobytes() not in kept:
            kept[given.tobytes()] = compute()  # type: ignore[operator]
        return kept[given.tobytes()]

    service.acts = [answer(200, matte_png())]
    known = RemoteSegmenter("removebg", KEY, memoize, HASTY, Rerouted(service.port))  # type: ignore[arg-type]
    first, second = known.predict(photo()), known.predict(photo())
    assert np.array_equal(first.saliency, second.saliency) and len(service.heard) == 1
    assert second.facts["picture_left_this_machine"] is False and "did not leave" in second.remarks[0]


def test_three_scales_are_never_paid_for(service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    found = removebg(service, answer(200, matte_png()))
    monkeypatch.setattr(engines, "segmenter", lambda name: found)
    trace = Trace()
    options = MaskOptions(model="removebg", multi_scale=True)
    cut_out(photo(), options, engines=engines, trace=trace)
    assert len(service.heard) == 1 and any("multi_scale was ignored" in note for note in trace.notes)


@pytest.mark.parametrize(("name", "variable"), [("removebg", "REMOVEBG_API_KEY"), ("bria", "BRIA_API_KEY")])
def test_without_a_key_nothing_is_sent_and_the_variable_is_named(
    name: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ModelUnavailableError, match=variable):
        Engines(Settings(checkpoints_dir=tmp_path)).segmenter(name)
    monkeypatch.setenv(variable, "schlüssel")
    with pytest.raises(ModelUnavailableError, match="cannot be a key") as caught:
        Engines(Settings(checkpoints_dir=tmp_path)).segmenter(name)
    assert "schlüssel" not in caught.value.detail


def test_auto_never_asks_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVEBG_API_KEY", KEY)
    monkeypatch.setenv("BRIA_API_KEY", KEY)
    assert Engines(Settings(checkpoints_dir=tmp_path)).segmenter("auto").name == "border"


def test_the_key_is_shown_nowhere(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REMOVEBG_API_KEY", KEY)
    settings = Settings(checkpoints_dir=tmp_path)
    assert KEY not in repr(settings) and KEY not in settings.model_dump_json()
    caplog.set_level(logging.DEBUG)
    for act in (answer(200, matte_png()), errors(403, "auth_failed")):
        try:
            guess = removebg(service, act).predict(photo())
        except ServiceError as error:
            assert KEY not in str(error)
        else:
            assert KEY not in repr(guess)
    assert not [line for line in caplog.records if line.name.startswith("mattemesh") and KEY in line.getMessage()]


def test_the_list_says_whether_there_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {row.name: row.state for row in list_models(tmp_path, frozenset({"bria"}))}
    assert states["bria"] == "key set" and states["removebg"] == "no key"
    monkeypatch.delenv("BRIA_API_KEY", raising=False)
    without = model_fingerprint("bria", Settings(checkpoints_dir=tmp_path))
    monkeypatch.setenv("BRIA_API_KEY", KEY)
    assert model_fingerprint("bria", Settings(checkpoints_dir=tmp_path)) != without
