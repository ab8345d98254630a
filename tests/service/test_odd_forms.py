"""Forms that no browser sends, to the running service: each is served or is the caller's fault, never the service's."""

import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.helpers.incidents import PHOTO
from tests.helpers.real_service import RealService

KIND = (b'; name="kind"', b"remove-bg")
SENT = (b'; name="file"; filename="a"', PHOTO)
NAMES = [
    b"file",
    b"mask",
    b"kind",
    b"quality",
    b"margin",
    b"instances",
    b"",
    b"a\0b",
    b"\xff\xfe",
    b"\\ud800",
    b"+2AA-",
]
CHARSETS = ["", "; charset=utf-8", "; charset=undefined", "; charset=punycode", "; charset=idna", "; charset=nonesuch"]
TAILS = [b"--edge--\r\n", b"--edge--", b"--edge\r\n", b"--edg", b"", b"--edge--\r\n" * 2]
FEW = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def parts(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Parts of a form: the text after `form-data` in the head, and the content."""
    head = b'; name="' + draw(st.sampled_from(NAMES)) + b'"' if draw(st.integers(0, 9)) else b""
    head += draw(
        st.sampled_from([b"", b'; filename="a"', b"; filename*=a; filename*0=b", b'; filename="\xff"; x', b'"'])
    )
    head += draw(st.sampled_from([b"", b"\r\nContent-Type: multipart/mixed; boundary=edge", b"\r\n: ", b"\r\nX" * 9]))
    return head, draw(st.sampled_from([b"", b"5", b"null", b"remove-bg", b"9" * 5000, b"\0", PHOTO[:400], PHOTO]))


def body_of(pieces: list[tuple[bytes, bytes]], tail: bytes) -> bytes:
    return b"".join(b"--edge\r\nContent-Disposition: form-data" + b"\r\n\r\n".join(p) + b"\r\n" for p in pieces) + tail


@pytest.mark.parametrize("path", ["/jobs", "/edit-mask"])
@FEW
@example([KIND, (b'; name="file"', b"5")], TAILS[0], "; charset=undefined", "edge")
@example([KIND, SENT, (b'; name="a"', b"xn--\xff")], TAILS[0], "; charset=punycode", "edge")
@given(
    st.lists(st.one_of(st.sampled_from([KIND, SENT]), parts()), max_size=20),
    st.sampled_from(TAILS),
    st.sampled_from(CHARSETS),
    st.sampled_from(["edge", "edge", '"edge"', "", "a" * 5000, string.punctuation, '"; boundary="edge']),
)
def test_a_form_that_no_browser_sends_is_no_fault_of_the_service(
    service: RealService, path: str, pieces: list[tuple[bytes, bytes]], tail: bytes, charset: str, boundary: str
) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}{charset}"}
    answer = service.ask("POST", path, body_of(pieces, tail), headers)
    if answer.status == 202:
        assert service.ended(answer.json()["id"])["state"] in ("succeeded", "failed")
    else:
        assert answer.status in (200, 413, 415, 422), (answer, pieces)
