"""`python -m backend evaluate --images DIR --masks DIR`: how good the masks are, for one setting or side by side."""

import argparse
import sys

from backend.commands.progress import counted_progress
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.folders.datasets.evaluation import evaluate_settings, table_of_runs
from backend.folders.datasets.evaluation_files import Evaluation, evaluation_files
from backend.folders.datasets.files_out import check_folder_for_results, write_files
from backend.folders.datasets.pairs import draw_sample, find_pairs


def evaluate(parsed: argparse.Namespace, options: list[MaskOptions], settings: Settings) -> int:
    """Write the evaluation of every setting of `options` into the folder `parsed.out` and print its figures.

    Returns 1 when a picture failed, else 0. Raises what `find_pairs` raises, and ModelUnavailableError or
    InvalidParameterError for a model that cannot be used, before any picture is touched.
    """
    check_folder_for_results(parsed.out, parsed.images, parsed.masks)
    pairing = find_pairs(parsed.images, parsed.masks, leave_out=parsed.out)
    engines = Engines(settings)
    for model in {each.model for each in options}:
        engines.segmenter(model)
    pairs = draw_sample(pairing.pairs, parsed.sample, parsed.seed)
    with counted_progress("measuring", parsed.quiet) as show:
        runs = evaluate_settings(
            pairs, parsed.images, parsed.masks, options, settings, parsed.jobs, parsed.boundary_px, show
        )
    seed = parsed.seed if len(pairs) < len(pairing.pairs) else None
    evaluation = Evaluation(
        parsed.images, parsed.masks, pairing, len(pairs), seed, parsed.boundary_px, parsed.jobs, runs
    )
    write_files(parsed.out, evaluation_files(evaluation))
    if not parsed.quiet:
        print(table_of_runs(runs), file=sys.stderr)
        if pairing.images_alone:
            print(f"pictures without a mask of their name: {len(pairing.images_alone)}", file=sys.stderr)
    print(parsed.out / "evaluation.html")
    return int(any(run.failed for run in runs))
