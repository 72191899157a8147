"""Start the page of Telltale; Hugging Face Spaces runs this file too. `python app.py --help` lists the flags."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from attribution.web.uploads import Uploads, private_folder
from attribution.web.zerogpu import on_zero_gpu, prepare


def main() -> None:
    """Serve until the process is told to stop. The page is up before the detector, and PyTorch with it, begins to load."""
    flags = argparse.ArgumentParser(prog="app.py", description="Telltale: which method made or manipulated a face.")
    # Gradio's own variables count here as they do for every Gradio app: hosts set them.
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")
    flags.add_argument("--host", default=host, help="address to serve on")
    flags.add_argument("--port", type=int, help="port to serve on; GRADIO_SERVER_PORT, or the first free one from 7860, when left out")
    flags.add_argument("--detector", default="default", help="name, folder or hf:owner/repo@revision of the detector")
    flags.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where the detector runs")
    kept = "how many chosen detectors stay in memory beside that of --detector; others are let go (default: %(default)s)"
    flags.add_argument("--keep-detectors", type=int, default=5, metavar="N", help=kept)
    flags.add_argument("--data", type=Path, help="your own copy of the face data set, for pictures of the nearest references")
    flags.add_argument(
        "--allow-measuring", action="store_true", help="measure detectors on folders of this machine, from this machine alone"
    )
    asked = flags.parse_args()
    if asked.allow_measuring and os.environ.get("SPACE_ID"):
        flags.error("--allow-measuring is for a machine of your own, not for Spaces")
    if asked.keep_detectors < 1:
        flags.error("--keep-detectors: at least 1")

    folder = private_folder()
    # Gradio reads both of them as it is imported or started: no telemetry, and its temporary files where we delete them.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    prepare()
    from attribution.web.engine import Engine
    from attribution.web.events import Events
    from attribution.web.examination import borrow_gpus
    from attribution.web.gradio_patches import answer_in_json
    from attribution.web.layout import LAUNCH, build, examples, look

    uploads = Uploads(folder)
    uploads.sweep_for_ever()
    engine = Engine(asked.detector, asked.device)
    if on_zero_gpu():
        engine.load()
        borrow_gpus(engine)
    page = build(Events(uploads, engine, examples(uploads), asked.data, kept=asked.keep_detectors), asked.allow_measuring)
    # The private folder goes at exit, and SIGTERM alone would be no exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _, address, _ = page.launch(server_name=asked.host, server_port=asked.port, prevent_thread_lock=True, **look(uploads), **LAUNCH)
    answer_in_json(page)
    sys.stdout.write(f"Telltale is at {address}\n")
    sys.stdout.flush()
    engine.start()
    page.block_thread()


if __name__ == "__main__":
    main()
