"""`python -m backend analyze DIR`: what is in a folder of pictures and what to fix."""

import sys
from pathlib import Path

from backend.commands.progress import counted_progress
from backend.contract.settings import Settings
from backend.folders.datasets.analysis import analyze_folder
from backend.folders.datasets.analysis_files import analysis_files
from backend.folders.datasets.files_out import check_folder_for_results, write_files
from backend.folders.datasets.thresholds import Thresholds


def analyze(folder: Path, out: Path, thresholds: Thresholds, settings: Settings, jobs: int, quiet: bool) -> int:
    """Write the analysis of `folder` into `out`, print what was found, and return 0.

    Raises InvalidParameterError when there is nothing to analyse, or no place for the result.
    """
    check_folder_for_results(out, folder)
    with counted_progress("analysing pictures", quiet) as show:
        analysis = analyze_folder(folder, thresholds, settings, jobs, leave_out=out, on_file=show)
    write_files(out, analysis_files(analysis))
    if not quiet:
        print(f"{len(analysis.files)} pictures, {len(analysis.usable)} usable", file=sys.stderr)
        for name, count in analysis.counts().most_common():
            print(f"  {name:18s} {count}", file=sys.stderr)
    print(out / "analysis.html")
    return 0
