"""Mattes and meshes of the example pictures, without a server; the results go to examples/output/.

For each picture: NAME-mask.png, NAME-cutout.png, NAME.glb, NAME-mesh.png (the mesh from four sides), NAME-debug.png
(every intermediate on one sheet) and NAME-report.json.

    ./setup.sh demo [PICTURE ...]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # it runs in a checkout that is not installed

from backend.bundles.debug_bundle import overview, tile  # noqa: E402
from backend.commands.summary import engine_lines  # noqa: E402
from backend.contract.errors import MattemeshError, problem_of  # noqa: E402
from backend.contract.options import MaskOptions, MeshOptions  # noqa: E402
from backend.contract.settings import Settings  # noqa: E402
from backend.contract.trace import Trace  # noqa: E402
from backend.engines.registry import Engines  # noqa: E402
from backend.mesh.preview import contact_sheet  # noqa: E402
from backend.pipeline import cut_out, reconstruct  # noqa: E402

OUTPUT = REPOSITORY / "examples" / "output"


def show(picture: Path, engines: Engines) -> None:
    """Make the matte and the mesh of one picture and write them into the output folder."""
    target = OUTPUT / picture.stem
    data = picture.read_bytes()
    tiles: list[np.ndarray] = []
    trace = Trace(lambda name, image: tiles.append(tile(name, image)))
    made = reconstruct(data, MeshOptions(), engines=engines, trace=trace)
    mask = cut_out(data, MaskOptions(), engines=engines)
    cutout = cut_out(data, MaskOptions(output="cutout"), engines=engines)
    files = {
        "-mask.png": mask.file.data,
        "-cutout.png": cutout.file.data,
        ".glb": made.file.data,
        "-report.json": json.dumps(made.report.as_json(), indent=2).encode(),
    }
    for ending, content in files.items():
        Path(f"{target}{ending}").write_bytes(content)
    Image.fromarray(contact_sheet(made.mesh)).save(f"{target}-mesh.png")
    Image.fromarray(overview(tiles)).save(f"{target}-debug.png")
    report = made.report
    score, mesh = report.mask, report.mesh
    print(
        f"{picture.name}: mask by {report.segmenter.name}, grade {score.grade}; "
        f"mesh by {report.engine.name}, {mesh.faces} faces, grade {mesh.grade}: "
        f"{mesh.verdict}; {report.seconds:.1f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="./setup.sh demo", description="Mattes and meshes into examples/output/.")
    parser.add_argument("picture", type=Path, nargs="*", help="a photo; without any the example pictures")
    pictures = parser.parse_args().picture or sorted((REPOSITORY / "examples").glob("*.jpg"))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    engines = Engines(Settings())
    failed = False
    for picture in pictures:
        try:
            show(picture, engines)
        except (MattemeshError, OSError) as error:
            failed = True
            reason = f"{problem_of(error).code}: {error.detail}" if isinstance(error, MattemeshError) else str(error)
            print(f"{picture.name}: {reason}", file=sys.stderr)
    print(f"The results are in {OUTPUT.relative_to(REPOSITORY)}/.", "Engines", sep="\n")
    for line in engine_lines(engines.settings):
        print(f"  {line}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
