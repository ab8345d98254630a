"""A stand-in for S3 on loopback: the few operations that are used, with any key. Objects are in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape


@dataclass
class Bucket:
    """What a service sees as bucket `photos` at `url`; with `broken` every request fails."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False
    reads: list[str] = field(default_factory=list)  # the keys of whole objects that were read

    @property
    def environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_REGION": "us-east-1"}
        return {"AWS_ENDPOINT_URL": self.url, **keys}


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve an empty bucket until the block ends."""
    made = Bucket()
    parts: dict[int, bytes] = {}  # of the one upload in parts that a test makes

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", headers.pop("length", str(len(body))))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _asked(self) -> tuple[str, dict[str, list[str]], bytes]:
            """Return key, query and body."""
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return unquote(address.path).split("/", 2)[-1], parse_qs(address.query, keep_blank_values=True), body

        def do_PUT(self) -> None:
            key, query, body = self._asked()
            if made.broken:
                self._say(403)
                return
            source = self.headers.get("x-amz-copy-source")
            if source is not None:
                made.objects[key] = made.objects[unquote(source).lstrip("/").split("/", 1)[1]]
                self._say(200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
                return
            if self.headers.get("If-None-Match") == "*" and key in made.objects:
                self._say(412)
                return
            if "partNumber" in query:
                parts[int(query["partNumber"][0])] = body
            else:
                made.objects[key] = body
            self._say(200, ETag=f'"{md5(body).hexdigest()}"')

        def do_GET(self) -> None:
            key, query, _ = self._asked()
            if made.broken:
                self._say(403)
            elif not self.path.startswith("/photos"):
                self._say(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            elif "list-type" in query:
                self._list(query.get("prefix", [""])[0])
            elif key not in made.objects:
                self._say(404)
            else:
                self._object(made.objects[key])

        do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

        def _object(self, data: bytes) -> None:
            stamps = {"ETag": f'"{md5(data).hexdigest()}"', "Last_Modified": formatdate(usegmt=True)}
            asked = self.headers.get("Range")
            if asked is None:
                if self.command == "GET":
                    made.reads.append(unquote(urlsplit(self.path).path).split("/", 2)[-1])
                self._say(200, data, **stamps)
                return
            first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            self._say(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}", **stamps)

        def _list(self, prefix: str) -> None:
            rows = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>{md5(data).hexdigest()}</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                for key, data in sorted(made.objects.items())
                if key.startswith(prefix)
            )
            self._say(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())

        def do_POST(self) -> None:
            key, query, body = self._asked()
            if "uploads" in query:
                self._say(200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
                return
            if "uploadId" in query:
                made.objects[key] = b"".join(parts.pop(number) for number in sorted(parts))
                self._say(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
                return
            keys = [node.text or "" for node in ElementTree.fromstring(body).iter() if node.tag.endswith("Key")]
            for key in keys:
                made.objects.pop(key, None)
            rows = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            self._say(200, f"<DeleteResult>{rows}</DeleteResult>".encode())

        def do_DELETE(self) -> None:
            key, _, _ = self._asked()
            made.objects.pop(key, None)
            self._say(204)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A service was killed in the middle of a request."""

    server = Server(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
