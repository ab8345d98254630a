"""The way of a request to its work: the client, and the cache that it asks for."""

from pathlib import Path

from tests.helpers.wire import served, status_of, upload


def test_work_belongs_to_the_key_or_else_to_the_address_that_sent_it(tmp_path: Path) -> None:
    head, body = upload(10, "Connection: close\r\n")
    with served(tmp_path) as server:
        assert status_of(server.say(head, body)) == 200
        assert [work.client for work in server.runner.seen] == ["127.0.0.1"]
    with served(tmp_path, api_key="one,two") as server:
        for key in ("one", "two", "one"):
            head, body = upload(10, f"X-API-Key: {key}\r\nConnection: close\r\n")
            assert status_of(server.say(head, body)) == 200
        one, two, again = (work.client for work in server.runner.seen)
        assert one == again != two
        assert one.startswith("key:")
