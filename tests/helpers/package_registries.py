"""Registries of packages on this machine, as pip and npm are set up with: a simple index, and npm's documents.

Their packages are made here, of a network's bytes; they hold no code.
"""

import base64
import hashlib
import io
import json
import tarfile
import zipfile

from backend.weights.catalogue import Package
from tests.helpers.weights_server import WeightsServer

WHEEL, TARBALL = "netbox-1.0-py3-none-any.whl", "scope-netbox-1.0.0.tgz"
CHUNK_BYTES = 100_000


def wheel(network: bytes) -> bytes:
    """Return a wheel that asks a Python older than ours and holds the network as `netbox/net.onnx`."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("netbox/net.onnx", network)
        archive.writestr("netbox-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        metadata = "Metadata-Version: 2.1\nName: netbox\nVersion: 1.0\nRequires-Python: <3.11\nRequires-Dist: nothing\n"
        archive.writestr("netbox-1.0.dist-info/METADATA", metadata)
        archive.writestr("netbox-1.0.dist-info/RECORD", "")
    return made.getvalue()


def tarball(network: bytes, without: int | None = None, spoil: int | None = None) -> bytes:
    """Return an npm package with the network in chunks, one of them left out or spoilt by its number."""
    pieces = [network[start : start + CHUNK_BYTES] for start in range(0, len(network), CHUNK_BYTES)]
    chunks, files = [], {"package/package.json": json.dumps({"name": "@scope/netbox", "version": "1.0.0"}).encode()}
    for number, piece in enumerate(pieces):
        start = number * CHUNK_BYTES
        digest = hashlib.sha256(piece).hexdigest()
        chunks.append({"hash": digest, "offsets": [start, start + len(piece)]})
        if number != without:
            files[f"package/dist/{digest}"] = piece[::-1] if number == spoil else piece
    files["package/dist/resources.json"] = json.dumps(
        {"/models/net": {"chunks": chunks, "size": len(network)}}
    ).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            archive.addfile(entry, io.BytesIO(files[name]))
    return made.getvalue()


def wheel_package(archive: bytes, member: str = "netbox/net.onnx") -> Package:
    """Return the catalogue's facts of a wheel."""
    digest = f"sha256-{hashlib.sha256(archive).hexdigest()}"
    return Package("PyPI", "netbox", "1.0", WHEEL, len(archive), digest, member)


def tarball_package(archive: bytes) -> Package:
    """Return the catalogue's facts of an npm package."""
    return Package("npm", "@scope/netbox", "1.0.0", TARBALL, len(archive), integrity(archive), "/models/net")


def integrity(archive: bytes) -> str:
    """Return the digest as npm's registry states it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"


def publish_wheel(server: WeightsServer, archive: bytes) -> str:
    """Put the wheel on the server and return the address of its index."""
    page = f'<a href="/files/{WHEEL}" data-requires-python="&lt;3.11">{WHEEL}</a>'
    server.files |= {"/simple/netbox/": page.encode(), f"/files/{WHEEL}": archive}
    server.types["/simple/netbox/"] = "text/html"
    return f"{server.address}/simple"


def publish_tarball(server: WeightsServer, archive: bytes, stated: str = "") -> str:
    """Put the npm package on the server, under the digest `stated` or its own, and return the registry's address."""
    dist = {"tarball": f"{server.address}/files/{TARBALL}", "integrity": stated or integrity(archive)}
    versions = {"1.0.0": {"name": "@scope/netbox", "version": "1.0.0", "dist": dist}}
    document = {"name": "@scope/netbox", "dist-tags": {"latest": "1.0.0"}, "versions": versions}
    server.files |= {"/@scope%2fnetbox": json.dumps(document).encode(), f"/files/{TARBALL}": archive}
    server.types["/@scope%2fnetbox"] = "application/json"
    return server.address
