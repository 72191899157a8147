"""`python -m attribution lab …`: the sub-commands of the training side."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from attribution.errors import LabError, TelltaleError

_DATA_HELP = "folder of the labelled faces (default: the environment variable TELLTALE_DATA)"


def main(argv: list[str]) -> int:
    """Run one lab command; 0 when it is done, 2 when it could not be, with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m attribution lab", description="Train, measure and publish detectors.")
    commands = parser.add_subparsers(dest="command", required=True)
    _autoencoder_arguments(commands.add_parser("autoencoder", help="train the small face auto-encoder that some forgeries use"))
    _prepare_arguments(commands.add_parser("prepare", help="decode the faces and make the pools of forgeries, once"))
    _train_arguments(commands.add_parser("train", help="train a detector, or resume a training that was stopped"))
    _study_arguments(commands.add_parser("study", help="train and measure the whole study: do attribution detectors generalise?"))
    _publish_arguments(commands.add_parser("publish", help="measure a finished run and write its folder, or push a folder to the Hub"))
    _localise_arguments(commands.add_parser("localise", help="where detectors point, against areas that are known, into their cards"))
    commands.add_parser("examples", help="re-make the example pictures and the clip").add_argument("--out", type=Path, default=None)

    from attribution.lab.bench import adapters, benchmark
    from attribution.lab.forge import sheet
    from attribution.lab.studies.zeroshot import command as zeroshot
    from attribution.lab.train import caddm_command as caddm
    from attribution.lab.train import dnadet_command as dna_det

    dna_det.add_arguments(commands.add_parser("dna-det", help="train and publish DNA-Det: which architecture drew a face"), _DATA_HELP)
    caddm.add_arguments(
        commands.add_parser("caddm", help="train and publish the ID-unaware detector: where was a face swapped"), _DATA_HELP
    )
    zeroshot.add_arguments(
        commands.add_parser("zeroshot", help="train and measure the generalisability study: why detectors fail on what they never saw"),
        _DATA_HELP,
    )
    sheet.add_arguments(commands.add_parser("forge", help="a contact sheet of the forgeries that CADDM is trained on"), _DATA_HELP)
    benchmark.add_arguments(commands.add_parser("benchmark", help="speed and memory, the naive way beside them"))
    adapters.add_arguments(commands.add_parser("adapters", help="each adapter against the original implementation, in one table"))
    args = parser.parse_args(argv)
    run = {
        "autoencoder": _autoencoder, "prepare": _prepare, "train": _train, "study": _study, "publish": _publish,
        "examples": _examples, "benchmark": benchmark.run,
        "dna-det": dna_det.run, "forge": sheet.run, "caddm": caddm.run, "localise": _localise,
        "zeroshot": zeroshot.run, "adapters": adapters.run,
    }[args.command]  # fmt: skip
    try:
        return run(args)
    except TelltaleError as error:
        print(error, file=sys.stderr)
        return 2


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", help=_DATA_HELP)
    parser.add_argument("--work", type=Path, required=True, help="folder for decoded faces and forgeries (several GB)")


def _autoencoder_arguments(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--seed", type=int, default=7)


def _autoencoder(args: argparse.Namespace) -> int:
    from attribution.lab.data import REAL, decode, find_data, read_manifest
    from attribution.lab.forge.autoencoder import train_autoencoder

    data = find_data(args.data)
    rows = [row for row in read_manifest(data) if row.split == "train"]
    pictures = decode(data, rows, args.work / "train.npy")
    real = [index for index, row in enumerate(rows) if row.family == REAL]
    train_autoencoder(pictures[real], args.work / "autoencoder.safetensors", args.steps, args.seed)
    return 0


def _prepare_arguments(parser: argparse.ArgumentParser) -> None:
    _common(parser)


def _prepare(args: argparse.Namespace) -> int:
    from attribution.lab.data import SPLITS, find_data, read_manifest
    from attribution.lab.pools import prepare

    data = find_data(args.data)
    prepare(data, read_manifest(data), args.work, SPLITS)
    return 0


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoints, settings, final weights")
    parser.add_argument("--pretrained", default="", help="backbone file to start from (safetensors, or .pth of EfficientNet-PyTorch)")
    parser.add_argument("--architecture", default="mobilenetv2_100")
    parser.add_argument("--model-args", type=json.loads, default={"pad_type": "same"}, help="timm's model arguments as JSON")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument(
        "--stages", type=json.loads, default=[[0.55, 160], [0.25, 192], [0.2, 224]], help="[share of the steps, window side in px] as JSON"
    )
    parser.add_argument("--until", type=int, default=0, help="end this sitting after so many steps, to be resumed later")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="training processes on a CPU (one on a GPU)")
    parser.add_argument("--contrastive", choices=("supcon", "ntxent", "triplet", "none"), default="supcon")
    parser.add_argument("--plain-forgeries", action="store_true", help="do not encode the lab's forgeries once as JPEG, as the crops were")
    parser.add_argument("--head", choices=("methods", "binary"), default="methods")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="METHOD_OR_SOURCE", help="methods or sources never to train on")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _train(args: argparse.Namespace) -> int:
    from attribution.lab.data import find_data
    from attribution.lab.train.methods import Settings, train

    started = time.monotonic()
    train(
        Settings(
            data=str(find_data(args.data)), work=str(args.work), out=str(args.out), pretrained=args.pretrained,
            architecture=args.architecture, model_args=args.model_args, steps=args.steps, seed=args.seed,
            workers=1 if args.device == "cuda" else args.workers, contrastive=args.contrastive, leave_out=tuple(args.leave_out),
            device=args.device, until=args.until, head=args.head, plain_forgeries=args.plain_forgeries,
            stages=tuple((float(share), int(side)) for share, side in args.stages),
        )
    )  # fmt: skip
    print(f"done in {(time.monotonic() - started) / 60:.1f} minutes")
    return 0


def _study_arguments(parser: argparse.ArgumentParser) -> None:
    from attribution.lab.studies.attribution.plan import COMPARISON_STEPS, FOLD_STEPS
    from attribution.measured.study import STUDY_FILE

    _common(parser)
    parser.add_argument("--runs", type=Path, required=True, help="folder for the study's runs; what is there is not trained again")
    parser.add_argument("--pretrained", nargs="*", default=[], metavar="BACKBONE=FILE", help="the file that each backbone starts from")
    parser.add_argument("--shipped", type=Path, help="the run of the default detector, for the train × test matrix")
    parser.add_argument("--out", type=Path, default=STUDY_FILE)
    parser.add_argument("--comparison-steps", type=int, default=COMPARISON_STEPS, help="length of each training of the comparison")
    parser.add_argument("--fold-steps", type=int, default=FOLD_STEPS, help="length of each training that leaves sources and methods out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings side by side, one thread each (one on a GPU)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _study(args: argparse.Namespace) -> int:
    from attribution.lab.studies.attribution.plan import plan
    from attribution.lab.studies.attribution.results import study

    pretrained = dict(one.split("=", 1) for one in args.pretrained)
    jobs = 1 if args.device == "cuda" else args.jobs
    todo = plan(args.comparison_steps, args.fold_steps)
    study(todo, args.data, args.work, args.runs, pretrained, args.shipped, args.out, jobs, args.device)
    return 0


def _publish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", help="a finished detector folder, to push it with --to")
    parser.add_argument("--to", metavar="OWNER/REPO", help="push the folder to this repository of the Hub (HF_TOKEN, HF_ENDPOINT)")
    parser.add_argument("--branch", help="push to this branch of it (default: main)")
    parser.add_argument("--public", action="store_true", help="a repository that is made for it can be read by everybody")
    parser.add_argument("--data", help=_DATA_HELP)
    parser.add_argument("--work", type=Path, help="folder for decoded faces and forgeries (several GB)")
    parser.add_argument("--run", type=Path, help="measure this finished run, and write its folder to --out")
    parser.add_argument("--out", type=Path, help="the detector folder, for example weights/NAME")
    parser.add_argument("--minutes", type=float, help="how long the training took, for the card")
    parser.add_argument("--train-command", help="the command that made the run, for the card")
    parser.add_argument("--note", action="append", default=[], help="a sentence for the card on how the weights came about (repeatable)")
    parser.add_argument("--study", type=Path, help="results of `lab study`, for the limits (attribution/lab/results/study.json)")


def _publish(args: argparse.Namespace) -> int:
    needed = {"--run": args.run, "--work": args.work, "--out": args.out, "--minutes": args.minutes, "--train-command": args.train_command}
    given = [flag for flag, value in needed.items() if value is not None]
    missing = [flag for flag in needed if flag not in given]
    if given and (missing or args.folder is not None):
        also = "no folder" if args.folder is not None else f"{', '.join(missing)} too"
        raise LabError(f"To measure a run and write its folder, `lab publish` needs {also}.", "See `lab publish --help`.")
    if not given and (args.folder is None or args.to is None):
        raise LabError(
            "The command measures a run (--run) or pushes a finished folder (FOLDER --to OWNER/REPO).", "See `lab publish --help`."
        )
    if given:
        from attribution.lab.publish.methods import publish

        publish(args.run, args.data, args.work, args.out, args.out.name, args.minutes, args.train_command, args.study, args.note)
    if args.to is not None:
        from attribution.lab.publish.push import push

        pushed = push(args.folder or args.out, args.to, revision=args.branch, private=not args.public)
        print(f"{pushed.url}\nUse it as hf:{pushed.repository}@{pushed.revision}")
    return 0


def _localise_arguments(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("detectors", type=Path, nargs="+", metavar="DETECTOR_FOLDER", help="folders whose cards get the table")


def _localise(args: argparse.Namespace) -> int:
    from attribution.lab.data import find_data
    from attribution.lab.measure.localise import localise

    localise(args.detectors, find_data(args.data), args.work)
    return 0


def _examples(args: argparse.Namespace) -> int:
    from attribution.lab.examples import make_examples

    for path in make_examples(args.out):
        print(path.name)
    return 0
