import logging
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.scripted_runner import ScriptedRunner


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(Settings(data_dir=tmp_path), ScriptedRunner()))  # type: ignore[arg-type]


def test_the_page_is_compressed_revalidated_and_names_files_that_may_be_kept(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-encoding"] == "gzip" and answer.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    addresses = re.findall(r'(?:src|href)="(/static/[^"#]+)', answer.text)
    assert len(addresses) > 4
    for address in set(addresses):
        kept = client.get(address)
        assert kept.status_code == 200 and "immutable" in kept.headers["cache-control"], address
        assert client.get(address.split("?")[0]).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("cookie", "wishes", "language"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("", "en-GB, de;q=0.9", "en"),
        ("", "en;q=0.1, de", "de"),
        ("", "fr, de;q=0.5, en;q=0.4", "de"),
        ("", "de;q=0, *", "en"),
        ("", "de;q=never,,;", "en"),
        ("de", "en", "de"),
        ("en", "de", "en"),
        ("../x", "de", "de"),
    ],
)
def test_the_page_speaks_the_chosen_language_or_the_browsers(
    client: TestClient, cookie: str, wishes: str, language: str
) -> None:
    answer = client.get("/", headers={"Accept-Language": wishes, "Cookie": f"language={cookie}" if cookie else ""})
    assert f'<html lang="{language}">' in answer.text and answer.headers["content-language"] == language
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))


def test_the_page_has_no_script_in_a_language_without_sentences(client: TestClient) -> None:
    assert client.get("/static/page.xx.js").status_code == 404


def test_who_takes_no_gzip_gets_the_page_plain(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers and answer.text.startswith("<!doctype html>")


def test_the_pages_files_are_not_logged_at_info_and_a_missing_one_is(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mattemesh")
    for path in ("/", "/static/page.en.js", "/static/icons.svg", "/static/page.json"):
        assert client.get(path).status_code == 200
    assert [record.getMessage() for record in caplog.records if "/static" in record.getMessage()] == []
    client.get("/static/absent.js")
    assert any("/static/absent.js" in record.getMessage() for record in caplog.records)
