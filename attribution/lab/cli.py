"""`python -m attribution lab …`: the sub-commands of the training side, as one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from argparse import BooleanOptionalAction, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from attribution.errors import LabError, TelltaleError
from attribution.lab.data import DATA_HELP, ENVIRONMENT_VARIABLE, REAL, SPLITS, decode, find_data, in_one_text, read_manifest

Flag = tuple[str, dict[str, Any]]


def _flag(name: str, default: Any = None, help: str | None = None, **options: Any) -> Flag:
    """A flag of its default's type."""
    if type(default) in (int, float):
        options["type"] = type(default)
    return name, {"help": help, **options, **({} if default is None else {"default": default})}


def _path(name: str, help: str, **options: Any) -> Flag:
    """A folder or file that has to be named."""
    return name, {"type": Path, "required": True, "help": help, **options}


def _pair(given: str) -> tuple[str, str]:
    """The value of a flag NAME=FILE."""
    if "=" not in given:
        raise LabError(f"The flag's value {given!r} names no file.", "Write NAME=FILE.")
    name, file = given.split("=", 1)
    return name, file


@dataclass(frozen=True)
class Command:
    """One sub-command: its flags and what it runs, or the commands below it."""

    name: str
    help: str
    flags: Sequence[Flag] = ()
    run: Callable[[Namespace], int | None] | None = None
    commands: Sequence[Command] = ()

    def add_to(self, parsers: Any) -> None:
        """Make its parser."""
        parser = parsers.add_parser(self.name, help=self.help)
        for name, options in self.flags:
            parser.add_argument(name, **options)
        if self.commands:
            own = parser.add_subparsers(dest="sub_command", required=True)
            for command in self.commands:
                command.add_to(own)
        else:
            parser.set_defaults(run_command=self.run)


def main(argv: list[str]) -> int:
    """Run one lab command; 0 when it is done, 2 when it could not be, with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m attribution lab", description="Train, measure and publish detectors.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _commands():
        command.add_to(commands)
    try:
        args = parser.parse_args(argv)
        if getattr(args, "data", None):
            args.data = os.pathsep.join(args.data)
        return args.run_command(args) or 0
    except TelltaleError as error:
        print(error, file=sys.stderr)
        return 2


def _commands() -> Sequence[Command]:
    from attribution.lab.studies.attribution.plan import COMPARISON_STEPS, FOLD_STEPS
    from attribution.lab.studies.zeroshot.plan import DETECTORS
    from attribution.measured.study import STUDY_FILE, ZEROSHOT_FILE

    detectors = [detector.name for detector in DETECTORS]
    data = _flag("--data", nargs="+", metavar="FOLDER", help=DATA_HELP)
    common = (data, _path("--work", "folder for decoded faces and forgeries (several GB)"))
    run_out = _path("--out", "folder of the run, or the detector folder to write")
    decoded = (data, _path("--work", "folder of the decoded faces (`lab prepare`)"), run_out)
    prepared = (data, _path("--work", "folder of the decoded faces and forgeries (`lab prepare`)"), run_out)
    seed = _flag("--seed", 7)
    until = _flag("--until", 0, "end this sitting after so many steps, to be resumed later")
    workers = _flag("--workers", os.cpu_count() or 1, "training processes on a CPU (one on a GPU)")
    device = _flag("--device", choices=("cpu", "cuda"), default="cpu")
    jobs = _flag("--jobs", os.cpu_count() or 1, "trainings side by side, one thread each (one on a GPU)")
    threads = _flag("--threads", 0, "threads of a single CPU worker (0: every core)")
    several: dict[str, Any] = {"nargs": "*", "default": []}
    pairs = {**several, "type": _pair}
    note = _flag("--note", action="append", default=[], help="a sentence for the card on how the weights came about (repeatable)")

    def switch(name: str, help: str) -> Flag:
        return _flag(name, True, help, action=BooleanOptionalAction)

    def card(minutes_help: str, command_help: str) -> tuple[Flag, ...]:
        minutes = _flag("--minutes", type=float, required=True, help=minutes_help)
        return minutes, _flag("--train-command", required=True, help=command_help), note

    return (
        Command("autoencoder", "train the small auto-encoder that some forgeries use", (
            *common, _flag("--steps", 2200), seed,
        ), _autoencoder),
        Command("prepare", "decode the faces and make the pools of forgeries, once", common, _prepare),
        Command("face-check", "teach the check of what the face finder found", (
            *common, _path("--out", "file of the weights"), _flag("--regions", 1500, "deceiving regions to find"), seed,
        ), _call("train.likeness:face_check", "found_data", "work", "out", "regions", "seed")),
        Command("heads", "fit a detector's head to what frozen networks see, and one for each fold of sources without them", (
            *common,
            _path("--out", "folder of the run: settings, final weights, the heads of the folds"),
            _flag("--trunks", metavar="BACKBONE=FILE", help="backbones of timm's and their weights", nargs="+", type=_pair, required=True),
            _flag("--known", metavar="FOLDER_NAME", help="data folders whose faces a trunk was trained on", **several),
            _flag("--decay", 0.2), seed,
            _flag("--leave-out", metavar="METHOD_OR_SOURCE", help="methods or sources never to fit to", **several),
            jobs,
        ), _trained("heads")),
        Command("train", "train a detector, or resume a training that was stopped", (
            *common,
            _path("--out", "folder of the run: checkpoints, settings, final weights"),
            _flag("--pretrained", "", "backbone file to start from (safetensors, or .pth of EfficientNet-PyTorch)"),
            _flag("--architecture", "mobilenetv2_100"),
            _flag("--model-args", type=json.loads, default={"pad_type": "same"}, help="timm's model arguments as JSON"),
            _flag("--steps", 2400),
            _flag(
                "--stages", [[0.55, 160], [0.25, 192], [0.2, 224]], "[share of the steps, window side in px] as JSON", type=json.loads,
            ),
            until, seed, workers,
            _flag("--contrastive", choices=("supcon", "ntxent", "triplet", "none"), default="supcon"),
            _flag("--plain-forgeries", action="store_true", help="do not encode the lab's forgeries once as JPEG, as the crops were"),
            _flag("--head", "methods", "what is drawn, and what it is called (train/recipes.py)", choices=("methods", "binary")),
            _flag("--learning-rate", 1.2e-3),
            _flag("--leave-out", metavar="METHOD_OR_SOURCE", help="methods or sources never to train on", **several),
            device,
        ), _trained("methods")),
        Command("study", "train and measure the whole study: do attribution detectors generalise?", (
            *common,
            _path("--runs", "folder for the study's runs; what is there is not trained again"),
            _flag("--pretrained", metavar="BACKBONE=FILE", help="the file that each backbone starts from", **pairs),
            _flag("--shipped", type=Path, help="the run of the default detector, for the train × test matrix"),
            _flag("--out", type=Path, default=STUDY_FILE),
            _flag("--comparison-steps", COMPARISON_STEPS, "length of each training of the comparison"),
            _flag("--fold-steps", FOLD_STEPS, "length of each training that leaves sources and methods out"),
            jobs, device,
        ), _study),
        Command("publish", "measure a finished run and write its folder, or push a folder to the Hub", (
            _flag("folder", type=Path, nargs="?", help="a finished detector folder, to push it with --to"),
            _flag("--to", metavar="OWNER/REPO", help="push the folder to this repository of the Hub (HF_TOKEN, HF_ENDPOINT)"),
            _flag("--branch", help="push to this branch of it (default: main)"),
            _flag("--public", action="store_true", help="a repository that is made for it can be read by everybody"),
            data,
            _flag("--work", type=Path, help="folder for decoded faces and forgeries (several GB)"),
            _flag("--run", type=Path, help="measure this finished run, and write its folder to --out"),
            _flag("--out", type=Path, help="the detector folder, for example weights/NAME"),
            _flag("--minutes", type=float, help="how long the training took, for the card"),
            _flag("--train-command", help="the command that made the run, for the card"),
            _flag("--experts", metavar="NAME", help="embedded detectors that answer together with it", **several),
            note,
        ), _publish),
        Command("localise", "where detectors point, against areas that are known, into their cards", (
            *common, _flag("detectors", type=Path, nargs="+", metavar="DETECTOR_FOLDER", help="folders whose cards get the table"),
        ), _call("publish.publisher:localise", "detectors", "found_data", "work")),
        Command("words", "bring the catalogues of translations up to date with what can be said", (), _words),
        Command("cross-auc", "untouched faces of one collection against manipulated ones of another, into their cards", (
            *common, _flag("detectors", type=Path, nargs="+", metavar="DETECTOR_FOLDER", help="folders whose cards get the table"),
        ), _call("publish.products:measure_cross_auc", "detectors", "found_data", "work")),
        Command("examples", "re-make the example pictures and the clip", (
            _flag("--out", type=Path),
        ), _call("examples:make_examples", "out")),
        Command("cases", "files with known right answers, and what Telltale says of them", commands=(
            Command("make", "write the files, and a manifest of what is right", (data, _path("--out", "new folder for them")), _make_cases),
            Command("table", "what runs of `analyse --json` say of the files, by kind", (
                _flag("folder", type=Path, help="the folder of `lab cases make`"),
                _flag("runs", nargs="+", type=_pair, metavar="NAME=JSON", help="the name of a run and the file that it wrote"),
                _flag("--write", action="store_true", help="write the project's results and docs/cases.md too"),
            ), _call("cases.summary:table")),
        )),
        Command("dna-det", "train and publish DNA-Det: which architecture drew a face", commands=(
            Command("train", "one stage of the training, or go on with one that was stopped", (
                *decoded,
                _flag("--stage", choices=("transformations", "architectures"), default="architectures"),
                _flag("--start", "", "finished run of the first stage to start from (default: random weights)", metavar="RUN"),
                _flag("--side", 224, "side in px that whole pictures are read at (the paper: 512)", dest="side_px", metavar="SIDE"),
                _flag("--steps", 4000),
                _flag("--items", 1, "pictures of every class in a worker's step"),
                _flag("--patches", 16, "patches of each picture; 0 takes whole pictures"),
                _flag("--augmented", 1.0, "share of stage 2's pictures changed in quality and geometry"),
                _flag("--no-contrastive", dest="contrastive", action="store_false", help="cross-entropy alone"),
                _flag("--learning-rate", 7e-4),
                seed,
                _flag("--leave-out", metavar="METHOD", help="generators never to train on", **several),
                until, workers, threads, device,
            ), _trained("dnadet")),
            Command("publish", "measure finished runs and write the detector folder", (
                *decoded,
                _path("--run", "the finished run that ships"),
                _flag("--variants", metavar="NAME=RUN", help="finished runs of the ablation", **pairs),
                _flag("--held-out", metavar="METHOD=RUN", help="finished runs that left a generator out", **pairs),
                *card("how long both stages took, for the card", "the commands that made the run, for the card"),
            ), _publish_dnadet),
        )),
        Command("caddm", "train and publish the ID-unaware detector: where was a face swapped", commands=(
            Command("train", "train the detector, or go on with a training that was stopped", (
                *prepared,
                _flag("--start", required=True, metavar="FILE", help="safetensors file of the backbone to start from"),
                _flag(
                    "--plain", help="the plain binary detector: no artifact module, no facial swap, same faces", action="store_true",
                ),
                _flag("--frozen", 2, "first stages of the backbone that stay as they are"),
                _flag("--steps", 4000),
                _flag("--learning-rate", 5e-4),
                _flag("--artifact-weight", 0.1, "share of the artifact module's loss"),
                _flag(
                    "--shares", nargs=4, type=float, default=[], metavar="SHARE",
                    help="how often to put the untouched face into the swap, the swap into the untouched face, the swap as it is, "
                    "a part of it",
                ),
                seed,
                _flag("--leave-out", metavar="METHOD_OR_SOURCE", help="methods or sources never to train on", **several),
                until, workers, threads, device,
            ), _trained("caddm")),
            Command("publish", "measure finished runs and write the detector folder", (
                *prepared,
                _path("--run", "the finished run that ships"),
                _path("--plain-run", "the finished run of the plain detector"),
                _flag("--backbone", type=Path, help="the backbone's ImageNet file, for one more row of the identity probe"),
                *card("how long the training took, for the card", "the commands that made the runs, for the card"),
            ), _publish_caddm),
        )),
        Command("zeroshot", "train and measure the generalisability study: why detectors fail on what they never saw", (
            data,
            _path("--work", "folder for decoded faces and forgeries (made by `lab prepare`)"),
            _path("--runs", "folder for the study's runs (about 4 GB); what is there stays"),
            _flag("--pretrained", help="the file that a detector starts from (mobilenetv2)", metavar="DETECTOR=FILE", **pairs),
            _flag("--detectors", nargs="*", default=detectors, choices=detectors, help="only these (default: all)"),
            _flag("--out", type=Path, default=ZEROSHOT_FILE),
            jobs, device,
        ), _zeroshot),
        Command("forge", "a contact sheet of the forgeries that CADDM is trained on", (
            _path("--sheet", "write the contact sheet here", metavar="OUT.png"),
            *prepared[:2],
            _flag("--split", choices=SPLITS, default="train"),
            _flag(
                "--method", choices=("dfdc_swap", "landmark_swap", "self_blended", "autoencoder_swap"), default="dfdc_swap",
                help="whose fakes to pair with their untouched pictures",
            ),
            _flag("--rows", 6, "pairs, one a row (default: 6)"),
            _flag("--seed", 0, "choice of the pairs and of every forgery (default: 0)"),
        ), _call("forge.sheet:draw", "sheet", "found_data", "work", "split", "method", "rows", "seed")),
        Command("benchmark", "speed and memory, the naive way beside them", (
            _flag("--clip", type=Path, help="measure on this clip (default: a 10-second 720p clip of the two example portraits)"),
            _flag("--detector", "default", "name, folder or hf:owner/repo@revision of the detector"),
            _flag("--runs", 5, "warm runs of the picture and of the clip (default: 5)"),
            switch("--naive", "measure the naive way too (minutes)"),
            _flag("--naive-frames", type=int, help="end the naive way after so many frames, and say that its time is extrapolated"),
            switch("--server", "measure the app as a process"),
            switch("--switching", "measure what changing the detector costs"),
            _flag("--json", type=Path, metavar="OUT", help="write the figures as JSON too"),
        ), _call("bench.benchmark:run")),
        Command("adapters", "each adapter against the original implementation, in one table", (
            switch("--large", "the one of 316 million parameters too (4 GB)"),
            _flag("--json", type=Path, metavar="OUT", help="write the rows as JSON too"),
        ), _call("bench.adapters:run")),
    )  # fmt: skip


def _call(where: str, *names: str) -> Callable[[Namespace], int | None]:
    """Calls `module:function` of the lab with these values of the command line (`found_data`: the folders that --data names), or with all
    of them. The modules take seconds to import, so only the one that is needed is."""

    def run(args: Namespace) -> int | None:
        module, function = where.split(":")
        values = [find_data(args.data) if name == "found_data" else getattr(args, name) for name in names]
        return getattr(import_module(f"attribution.lab.{module}"), function)(*(values if names else [args]))

    return run


def _trained(name: str) -> Callable[[Namespace], None]:
    """Trains by `attribution.lab.train.NAME`, whose settings have the flags' names."""

    def run(args: Namespace) -> None:
        module, started = import_module(f"attribution.lab.train.{name}"), time.monotonic()
        given = {one.name: getattr(args, one.name) for one in fields(module.Settings) if hasattr(args, one.name)}
        given |= {"data": in_one_text(find_data(args.data)), "work": str(args.work), "out": str(args.out)}
        if hasattr(args, "workers"):
            given["workers"] = 1 if args.device == "cuda" else args.workers
        if "stages" in given:
            given["stages"] = [(float(share), int(side)) for share, side in given["stages"]]
        module.train(module.Settings(**{key: tuple(one) if isinstance(one, list) else one for key, one in given.items()}))
        print(f"done in {(time.monotonic() - started) / 60:.1f} minutes")

    return run


def _autoencoder(args: Namespace) -> None:
    from attribution.lab.train.autoencoder import train_autoencoder

    data = find_data(args.data)
    rows = [row for row in read_manifest(data) if row.split == "train"]
    pictures = decode(rows, args.work / "train.npy")
    real = [index for index, row in enumerate(rows) if row.family == REAL]
    train_autoencoder(pictures[real], args.work / "autoencoder.safetensors", args.steps, args.seed)


def _prepare(args: Namespace) -> None:
    from attribution.lab.forge.pools import prepare

    data = find_data(args.data)
    prepare(read_manifest(data), args.work, SPLITS)


def _study(args: Namespace) -> None:
    from attribution.lab.studies.attribution.plan import plan
    from attribution.lab.studies.attribution.study import study

    todo, pretrained = plan(args.comparison_steps, args.fold_steps), dict(args.pretrained)
    jobs = 1 if args.device == "cuda" else args.jobs
    study(todo, args.data, args.work, args.runs, pretrained, args.shipped, args.out, jobs, args.device)


def _zeroshot(args: Namespace) -> None:
    from attribution.lab.studies.zeroshot.plan import DETECTORS, plan
    from attribution.lab.studies.zeroshot.study import carry_out, measure

    todo = plan(tuple(detector for detector in DETECTORS if detector.name in args.detectors))
    jobs = 1 if args.device == "cuda" else args.jobs
    carry_out(todo, args.data, args.work, args.runs, dict(args.pretrained), jobs, args.device)
    measure(todo, args.data, args.work, args.runs, args.out, args.device)


def _make_cases(args: Namespace) -> None:
    from attribution.lab.cases.suite import write_suite

    write_suite(args.out, find_data(args.data) if args.data or os.environ.get(ENVIRONMENT_VARIABLE) else None)


def _words(_args: Namespace) -> None:
    from attribution.lab.words import update

    update()


def _publish(args: Namespace) -> None:
    needed = {"--run": args.run, "--work": args.work, "--out": args.out, "--minutes": args.minutes, "--train-command": args.train_command}
    missing = [flag for flag, value in needed.items() if value is None]
    measured = len(missing) < len(needed)
    if measured and (missing or args.folder is not None):
        also = "no folder" if args.folder is not None else f"{', '.join(missing)} too"
        raise LabError(f"To measure a run and write its folder, `lab publish` needs {also}.", "See `lab publish --help`.")
    if measured:
        from attribution.lab.publish.products import publish_heads

        publish_heads(args.run, args.data, args.work, args.out, args.minutes, args.train_command, args.note, args.experts)
    elif args.folder is None or args.to is None:
        what = "The command measures a run (--run) or pushes a finished folder (FOLDER --to OWNER/REPO)."
        raise LabError(what, "See `lab publish --help`.")
    if args.to is not None:
        from attribution.lab.publish.push import push

        pushed = push(args.folder or args.out, args.to, revision=args.branch, private=not args.public)
        print(f"{pushed.url}\nUse it as hf:{pushed.repository}@{pushed.revision}")


def _publish_dnadet(args: Namespace) -> None:
    from attribution.lab.measure.dnadet import Runs
    from attribution.lab.publish.products import publish_dnadet

    runs = Runs(args.run, *({name: Path(run) for name, run in given} for given in (args.variants, args.held_out)))
    publish_dnadet(runs, args.data, args.work, args.out, args.minutes, args.train_command, args.note)


def _publish_caddm(args: Namespace) -> None:
    from attribution.lab.publish.products import CaddmRuns, publish_caddm

    runs = CaddmRuns(args.run, args.plain_run, args.backbone)
    publish_caddm(runs, args.data, args.work, args.out, args.minutes, args.train_command, args.note)
