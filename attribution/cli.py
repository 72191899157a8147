"""The same pipeline without a browser: `python -m attribution analyse | measure | detectors | lab …`.

Exit status 0: every file has a result (inconclusive is one), or the detector was measured. 2: a file, a detector, a device or an output
could not be used; one sentence on stderr says so, and the results of the other files are written all the same. 130: stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.detectors.spec import MEANINGS, DetectorSpec, read_meanings_flag
from attribution.errors import NoHeatmap, TelltaleError, UnmappedLabels, UnusableDetector
from attribution.evidence import VIEWS, DetectorInfo, Evidence, Opinion, TrackEvidence, Unusable, Verdict, document_text
from attribution.messages import LANGUAGES, reading_in
from attribution.text import measuring as measuring_text
from attribution.text.numbers import cell, listed
from attribution.text.opinions import TOGETHER
from attribution.text.printable import printable
from attribution.version import __version__

if TYPE_CHECKING:
    import numpy as np

    from attribution.detectors.card import MeasuredTable
    from attribution.pipeline import Pipeline

_LINE_SECONDS = 10.0
_MEANINGS = ", ".join(MEANINGS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name); returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["lab"]:
        try:
            from attribution.lab.cli import main as lab_main
        except ModuleNotFoundError as error:
            package = (error.name or "a package").partition(".")[0]
            return _fail(f"The lab needs {package}, which is not installed. Run: pip install -r attribution/lab/requirements.txt")
        return lab_main(words[1:])
    args = _parser().parse_args(words)
    try:
        return _detectors(args.all) if args.command == "detectors" else _measure(args) if args.command == "measure" else _analyse(args)
    except UnmappedLabels as error:
        return _fail(f"{error} Give it as --labels LABEL=MEANING,…; meanings are: {_MEANINGS}.")
    except TelltaleError as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m attribution", description="Which method made or manipulated a face.")
    parser.add_argument("--version", action="version", version=f"Telltale {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    analyse = commands.add_parser("analyse", help="examine pictures and clips")
    analyse.add_argument("files", nargs="+", metavar="FILE", help="a picture or a clip")
    analyse.add_argument("--detector", default="default", metavar="NAME|DIR|hf:owner/repo@rev", help="which detector answers")
    analyse.add_argument("--labels", default="", metavar="LABEL=MEANING,…", help=f"what the labels of --detector mean: {_MEANINGS}")
    analyse.add_argument("--sees", default="", choices=VIEWS, help="what --detector sees, where its files do not say")
    for flag, metavar, what in (
        ("", "NAME|DIR|hf:owner/repo@rev", "another detector, asked about the same faces; may be repeated"),
        ("-labels", "LABEL=MEANING,…", "what the labels of the --beside before it mean"),
        ("-sees", "|".join(VIEWS), "what the --beside before it sees, where its files do not say"),
    ):
        # Kept in the order in which they were given.
        kept = {"dest": "beside", "action": "append", "default": [], "type": partial(_told, flag)}
        analyse.add_argument(f"--beside{flag}", metavar=metavar, help=what, **kept)
    analyse.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where it runs (default: auto)")
    analyse.add_argument("--json", type=Path, metavar="OUT", help="write the results as JSON")
    analyse.add_argument("--report", type=Path, metavar="OUT.html", help="write a report that needs no other file")
    analyse.add_argument("--lang", default="en", choices=tuple(LANGUAGES), help="the language of the report (default: en)")
    measure = commands.add_parser("measure", help="measure a detector on files of your own, whose limits it then answers with")
    measure.add_argument(
        "source", nargs="?", type=Path, metavar="FOLDER|LIST.csv", help="real/ and manipulated/ (or METHOD/), or path,label"
    )
    measure.add_argument("--detector", default="default", metavar="NAME|DIR|hf:owner/repo@rev", help="which detector is measured")
    measure.add_argument("--labels", default="", metavar="LABEL=MEANING,…", help=f"what its labels mean: {_MEANINGS}")
    measure.add_argument("--sees", default="", choices=VIEWS, help="what it sees, where its files do not say")
    measure.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where it runs (default: auto)")
    measure.add_argument("--false-alarms", type=float, default=0.05, metavar="SHARE", help="the bound on errors (default: 0.05)")
    measure.add_argument("--out", "--export", type=Path, metavar="CARD.json", help="write the measured limits there, too")
    instead = measure.add_mutually_exclusive_group()
    instead.add_argument("--import", dest="taken", type=Path, metavar="CARD.json", help="take over limits that were measured elsewhere")
    instead.add_argument("--forget", action="store_true", help="let the detector answer with its own limits again")
    detectors = commands.add_parser("detectors", help="name the embedded detectors, the default first")
    detectors.add_argument("--all", action="store_true", help="those in the Hub cache and known public ones too, with what they are")
    commands.add_parser("lab", help="the training side: python -m attribution lab --help", add_help=False)
    return parser


def _told(flag: str, value: str) -> tuple[str, str]:
    return flag, value


def _beside(told: Sequence[tuple[str, str]]) -> list[DetectorSpec]:
    """The detectors of `--beside`, each with what `--beside-labels` and `--beside-sees` behind it say. Raises UnusableDetector."""
    specs: list[DetectorSpec] = []
    for flag, value in told:
        if not flag:
            specs.append(DetectorSpec(value))
        elif not specs:
            raise UnusableDetector(f"There is no --beside before --beside{flag}.", "Write it behind the --beside that it speaks of.")
        else:
            specs[-1] = replace(specs[-1], meanings=read_meanings_flag(value)) if flag == "-labels" else replace(specs[-1], view=value)
    return specs


def _detectors(everything: bool) -> int:
    if not everything:
        from attribution.detectors.loading import embedded

        print("".join(f"{name}\n" for name in embedded()), end="")
        return 0
    from attribution.detectors.catalogue import entries

    for entry in entries():
        size = f"{entry.bytes / 1e6:.1f} MB" if entry.bytes is not None else "size not known before the Hub is asked"
        never_run = "format proven, weights never run here" if entry.never_run else "not measured by Telltale"
        facts = (entry.kind, size, entry.licence, "measured by Telltale" if entry.measured else never_run)
        print(printable(f"{entry.name}\n  {', '.join(fact for fact in facts if fact)}\n  {entry.refused or entry.answers}", "?", "\n"))
    return 0


def _analyse(args: argparse.Namespace) -> int:
    for path in (args.json, args.report):
        if path is not None:
            _check_writable(path)

    from attribution.pipeline import examine, load_pipeline

    first = DetectorSpec(args.detector, read_meanings_flag(args.labels), args.sees)
    beside = _beside(args.beside)
    try:
        pipeline = load_pipeline(first, args.device, beside)
    except UnmappedLabels as error:
        flag = (
            f"--beside-labels LABEL=MEANING,… behind --beside {beside[error.place - 1].name}" if error.place else "--labels LABEL=MEANING,…"
        )
        return _fail(f"{error} Give it as {flag}; meanings are: {_MEANINGS}.")
    # Whoever measured it here has to know that this does not count.
    for limit in pipeline.predictor.info.limits:
        if getattr(limit, "form", "") == measuring_text.NOT_USED:
            _tell(limit)
    outcomes: list[Evidence | Unusable] = []
    pictures = {}
    for index, file in enumerate(args.files):
        try:
            analysis = examine(file, pipeline)
        # One file must not take the results of all the others with it.
        except Exception as error:
            bug = f"Telltale failed on this file ({type(error).__name__}). That is a bug: please report it."
            unusable = Unusable(Path(file).name or file, str(error) if isinstance(error, TelltaleError) else bug)
            outcomes.append(unusable)
            _fail(f"{unusable.name}: {unusable.error}")
            continue
        outcomes.append(analysis.evidence)
        if args.report is not None and analysis.evidence.media.kind == "picture":
            pictures[index] = analysis.frames[0].rgb
        # Whoever asks a detector that knows one kind of manipulation alone has to know when nobody looked for the others.
        print(_summary(analysis.evidence, with_refusals=pipeline.router is not None))
    if args.json is not None:
        _write(args.json, document_text(outcomes))
    if args.report is not None:
        with reading_in(args.lang):
            _write(args.report, _report(outcomes, pictures, pipeline))
    return 2 if any(isinstance(outcome, Unusable) for outcome in outcomes) else 0


def _measure(args: argparse.Namespace) -> int:
    """Measure a detector, or say, take over, write down or forget how it was measured here."""
    if args.out is not None:
        _check_writable(args.out)

    from attribution.detectors import here
    from attribution.measuring.run import measure, notes
    from attribution.pipeline import load_pipeline

    spec = DetectorSpec(args.detector, read_meanings_flag(args.labels), args.sees)
    pipeline = load_pipeline(spec, args.device, as_measured_here=False)
    detector, together = pipeline.predictor.detector, pipeline.combination is not None
    if args.forget:
        there = here.forget(detector.weights_sha256)
        print((measuring_text.FORGOTTEN if there else measuring_text.NOT_MEASURED_HERE).format(detector=detector.name))
        return 0
    if args.taken is not None:
        local = here.read(args.taken)
        local.check(detector, together)
        here.keep(local)
    elif args.source is not None:
        try:
            local = measure(
                args.source, pipeline, args.false_alarms, _Told(), lambda item, error: print(f"{item.name}: {error}", file=sys.stderr)
            )
        except KeyboardInterrupt:
            return _fail(measuring_text.STOPPED, 130)
    elif (kept := here.find(detector.weights_sha256)) is not None:
        local = kept
        local.check(detector, together)
    else:
        raise TelltaleError(measuring_text.NOT_MEASURED_HERE.format(detector=detector.name), measuring_text.LAYOUT)
    lines = [f"{local.name}:", *(f"  {one}" for one in (*local.limits(), *notes(local)))]
    for table in local.tables:
        lines += ["", f"{table.title}", *_columns(table)]
    print(printable("\n".join(lines), "?", "\n"))
    if args.out is not None:
        _write(args.out, json.dumps(local.to_json(), indent=1))
    return 0


def _columns(table: MeasuredTable) -> list[str]:
    """A table in columns of equal width."""
    rows = [table.columns, *(tuple(str(cell(one)) for one in row) for row in table.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    return ["  " + "  ".join(one.ljust(width) for one, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class _Told:
    """Progress on stderr: one line that changes in a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._live, self._next = sys.stderr.isatty(), 0.0

    def __call__(self, share: float, doing: str) -> None:
        if self._live:
            print(f"\r\033[K{doing}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)
        elif (now := time.monotonic()) >= self._next:
            self._next = now + _LINE_SECONDS
            print(doing, file=sys.stderr, flush=True)


def _report(outcomes: Sequence[Evidence | Unusable], pictures: Mapping[int, np.ndarray], pipeline: Pipeline) -> str:
    from attribution.pipeline import explain
    from attribution.render.report import report_html

    heatmaps, opinion_heatmaps = {}, {}
    for index, outcome in enumerate(outcomes):
        for number, track in enumerate(outcome.tracks if isinstance(outcome, Evidence) else ()):
            # A detector that knows no places answers without one.
            with suppress(NoHeatmap):
                heatmaps[index, number] = explain(track, pipeline)
            for place, opinion in enumerate(track.opinions):
                if opinion.verdict is not None and opinion.detector != pipeline.predictor.info:
                    with suppress(NoHeatmap):
                        opinion_heatmaps[index, number, place] = explain(track, pipeline, opinion)
    return report_html(outcomes, heatmaps, pictures, opinion_heatmaps, pipeline.tables)


def _summary(evidence: Evidence, with_refusals: bool = False) -> str:
    """A file in a few lines."""
    from attribution.render.opinion import together

    count = len(evidence.tracks)
    boxes = "" if count > 1 else "".join(_boxes(track) for track in evidence.tracks)
    lines = [f"{evidence.media.name}: {_answer(evidence.detector, evidence.verdict)}{boxes}"]
    lines += [f"  {reason}" for reason in evidence.verdict.reasons]
    for number, track in enumerate(evidence.tracks, start=1):
        if count > 1:
            where = f"  face {number} of {count}, at ({track.box[0]:.0f}, {track.box[1]:.0f})"
            lines.append(f"{where}: {_answer(evidence.detector, track.verdict)}{_boxes(track)}")
            # The file's own reasons need not say on which of its faces two detectors disagree.
            lines += [f"    {one.overturns}" for one in track.opinions if one.overturns and one.agreement == "differs"][:1]
        if common := together(track):
            lines.append(f"{'    ' if count > 1 else '  '}{common}")
        lines += [("    " if count > 1 else "  ") + line for line in _opinion_lines(track.opinions, with_refusals)]
    return printable("\n".join(lines), "?", "\n")


def _boxes(track: TrackEvidence) -> str:
    """How many places of the face a detector marked, and which one did; empty where there are none."""
    if not track.artifacts:
        return ""
    count = len(track.artifacts)
    return f", {count} artifact {'box' if count == 1 else 'boxes'} by {track.artifacts[0].detector}"


def _opinion_lines(opinions: Sequence[Opinion], with_refusals: bool) -> list[str]:
    """`NAME: manipulated, StyleGAN2 (confidence 97 %), architecture: …, same method` for each detector that was asked; `NAME alone: …` for
    those that answer together, and a line that says so."""
    combined = [one.detector.name for one in opinions if one.combined]
    lines = [str(TOGETHER.format(names=listed(combined)))] if combined else []
    for opinion in opinions:
        if opinion.verdict is not None:
            architecture = [f"architecture: {opinion.architecture}"] if opinion.architecture else []
            words = [_answer(opinion.detector, opinion.verdict), *architecture, str(opinion.agreement)]
            lines.append(f"{opinion.detector.name}{' alone' if opinion.combined else ''}: {', '.join(words)}")
        elif with_refusals:
            lines.append(opinion.refused)
    return lines


def _answer(detector: DetectorInfo, verdict: Verdict) -> str:
    method, confidence = verdict.method, verdict.confidence
    how = f", {detector.display(method).lower() if method == 'unknown' else detector.display(method)}" if method else ""
    sure = f" (confidence {100 * min(confidence, 0.99):.0f} %)" if confidence is not None else ""
    return f"{verdict.state.replace('_', ' ')}{how}{sure}"


def _fail(sentence: str, status: int = 2) -> int:
    _tell(sentence)
    return status


def _tell(sentence: str) -> None:
    print(printable(sentence, "?"), file=sys.stderr)


def _check_writable(path: Path) -> None:
    """Raise TelltaleError now rather than after the work."""
    try:
        if path.is_dir():
            raise IsADirectoryError
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except (OSError, ValueError) as error:
        raise _unwritable(path) from error


def _write(path: Path, text: str) -> None:
    """Write it whole or not at all: a reader never sees half a file."""
    temporary = None
    try:
        folder = path.absolute().parent
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=".telltale-", suffix=".part", delete=False) as file:
            temporary = file.name
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise _unwritable(path) from error


def _unwritable(path: Path) -> TelltaleError:
    return TelltaleError(f"{path.name or path} cannot be written.", "Choose a file in a folder that you may write to.")
