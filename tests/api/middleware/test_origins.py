"""Origin and Host checks: a browser also runs the pages of other sites."""

import pytest

from backend.api.middleware.origins import host_name
from backend.contract.settings import Settings
from tests.helpers.guarded import LOCAL, guarded

PHOTO = b"photo"


def post(headers: dict[str, str], base_url: str = LOCAL, **settings: object) -> int:
    return guarded(base_url, **settings).post("/remove-bg", content=PHOTO, headers=headers).status_code


def test_a_program_names_no_origin_and_passes() -> None:
    assert post({}) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": LOCAL},
        {"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_the_services_own_page_passes(headers: dict[str, str]) -> None:
    assert post(headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},  # no address at all
        {"Origin": "http://127.0.0.1:9000"},  # another program's page on this machine
        {"Origin": "http://127.0.0.1:8000.evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    ],
)
def test_another_sites_page_can_neither_start_nor_delete_anything(headers: dict[str, str]) -> None:
    client = guarded(LOCAL)
    answers = client.post("/remove-bg", content=PHOTO, headers=headers), client.delete("/jobs", headers=headers)
    assert [answer.json()["code"] for answer in answers] == ["cross-site", "cross-site"]
    assert answers[0].status_code == 403
    assert "access-control-allow-origin" not in answers[0].headers
    assert client.get("/jobs", headers=headers).status_code == 200  # a link may lead here


def test_an_origin_that_is_allowed_passes_and_others_still_do_not() -> None:
    allowed = {"cors_origins": "https://shop.example, http://localhost:3000"}
    assert post({"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}, **allowed) == 200
    assert post({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, **allowed) == 403
    assert post({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, cors_origins="*") == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "app.localhost"])
def test_over_loopback_the_service_answers_to_localhost_and_to_addresses(host: str) -> None:
    assert guarded(LOCAL).get("/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]"])
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    answer = guarded(LOCAL).get("/jobs", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "host-not-allowed"


def test_on_a_network_any_name_will_do_until_names_are_given() -> None:
    anywhere = "http://192.0.2.7:8000"
    assert guarded(anywhere).get("/jobs", headers={"Host": "matte.example"}).status_code == 200
    named = guarded(anywhere, allowed_hosts="matte.example, *.shop.example")
    hosts = ("Matte.example:443", "a.shop.example", "shop.example", "evil.example", "notmatte.example")
    assert [named.get("/jobs", headers={"Host": host}).status_code for host in hosts] == [200, 200, 421, 421, 421]


def test_health_checks_ask_by_whatever_address_they_have() -> None:
    named = guarded("http://10.0.0.5:8000", allowed_hosts="matte.example")
    assert named.get("/jobs", headers={"Host": "10.0.0.5:8000"}).status_code == 200
    assert named.get("/healthz", headers={"Host": "pod-7.cluster.local"}).status_code == 200
    assert named.get("/jobs", headers={"Host": "pod-7.cluster.local"}).status_code == 421


def test_loopback_is_loopback_written_as_ipv6_too() -> None:
    mapped = guarded("http://[::ffff:127.0.0.1]:8000")
    assert mapped.get("/jobs", headers={"Host": "evil.example"}).status_code == 421


def test_a_front_server_on_this_machine_may_pass_its_own_name_on() -> None:
    behind = guarded(LOCAL, client="127.0.0.1", trusted_proxies="127.0.0.1")
    forwarded = {"Host": "matte.example", "X-Forwarded-For": "192.0.2.9"}
    assert behind.get("/jobs", headers=forwarded).status_code == 200


@pytest.mark.parametrize("client", ["127.0.0.1", "192.0.2.1"])
def test_a_trusted_proxy_frees_no_other_connection_from_naming_the_service(client: str) -> None:
    beside = guarded(LOCAL, client=client, trusted_proxies="192.0.2.7")
    for forwarded in ({}, {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-Host": "localhost"}):
        assert beside.get("/jobs", headers={"Host": "evil.example", **forwarded}).status_code == 421
    assert beside.get("/jobs", headers={"Host": "localhost:8000"}).status_code == 200


def test_names_that_are_given_hold_behind_a_proxy_too() -> None:
    behind = guarded(LOCAL, client="192.0.2.7", trusted_proxies="192.0.2.0/24", allowed_hosts="matte.example")
    assert behind.get("/jobs", headers={"Host": "matte.example"}).status_code == 200
    assert behind.get("/jobs", headers={"Host": "evil.example"}).status_code == 421


def test_a_preflight_needs_no_key_and_names_what_may_be_sent_and_read() -> None:
    client = guarded(LOCAL, cors_origins="https://shop.example", api_key="the key")
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key,idempotency-key",
    }
    preflight = client.options("/remove-bg", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    refused = client.post("/remove-bg", headers={"Origin": "https://shop.example"})
    assert refused.status_code == 401  # and the page may read why
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    exposed = refused.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "server-timing", "x-notes", "x-cache", "location", "retry-after"} <= set(exposed)


def test_a_preflight_of_anybody_else_is_refused() -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for client in (guarded(LOCAL), guarded(LOCAL, cors_origins="https://shop.example")):
        answer = client.options("/remove-bg", headers=asked)
        assert answer.status_code in (400, 405)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/path", "null", "https://a@b"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        Settings(cors_origins=origin)


@pytest.mark.parametrize("proxies", ["*", "nginx", "10.0.0.0/8,x"])
def test_a_proxy_is_trusted_by_its_address_only(proxies: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(trusted_proxies=proxies)


def test_lists_come_from_the_environment_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://Shop.example , http://localhost:3000,")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8")
    assert Settings().cors_origins == ("https://shop.example", "http://localhost:3000")
    assert Settings().trusted_proxies == ("10.0.0.0/8",)


def test_a_host_header_has_a_name_without_port_brackets_or_case() -> None:
    assert [host_name(host) for host in ("A.B:80", "[::1]:80", "[::1]", "a.", "")] == ["a.b", "::1", "::1", "a", ""]
