"""Takes pictures of the pages: `python tests/screenshots.py FOLDER [--detector NAME|DIR] [FILE …]`.

Each page, and the result on each file (the examples when none is given), in dark and light at 1280 px and in light at phone width (390 px);
and `readme.png`, the first result at 1280 px in light, in 256 colours. It needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from app_server import ROOT, start, stop
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import page as text
from browser import Reader, chromium, find_chromium


def main() -> int:
    flags = argparse.ArgumentParser(description="Pictures of the pages.")
    flags.add_argument("folder", type=Path)
    flags.add_argument("files", nargs="*", type=Path)
    flags.add_argument("--detector", default="default")
    asked = flags.parse_args()
    path = find_chromium()
    if path is None:
        sys.stderr.write("No Chromium was found; install one, or name it in CHROMIUM.\n")
        return 2
    files = asked.files or [ROOT / "examples" / name for name in text.EXAMPLES]
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium(path) as browser:
        server = start(asked.detector, Path(temporary))
        try:
            for scheme, width in (("dark", 1280), ("light", 390), ("light", 1280)):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
                reader = Reader(context, server.address).open()
                reader.page.wait_for_selector(".tt-ready, .tt-failed")
                _take(reader, asked.folder / f"start-{width}-{scheme}.png")
                for place in (limits_text.PATH, failures_text.PATH):
                    other = Reader(context, server.address)
                    other.page.goto(server.address + place)
                    other.page.wait_for_selector(".tt-limits-page")
                    _take(other, asked.folder / f"{place}-{width}-{scheme}.png")
                for file in files:
                    _take(reader.give(file), asked.folder / f"{file.stem}-{width}-{scheme}.png")
            with Image.open(asked.folder / f"{files[0].stem}-1280-light.png") as first:
                first.convert("RGB").quantize(256).save(asked.folder / "readme.png", optimize=True)
        finally:
            stop(server)
    return 0


def _take(reader: Reader, picture: Path) -> None:
    """The whole page, once its pictures are there and nothing moves any more."""
    # Browsers fetch some pictures only when they come into view.
    for picture_there in reader.page.query_selector_all("img"):
        if picture_there.is_visible():
            picture_there.scroll_into_view_if_needed()
    reader.page.evaluate("window.scrollTo(0, 0)")
    reader.page.wait_for_timeout(1500)
    reader.page.screenshot(path=picture, full_page=True)


if __name__ == "__main__":
    sys.exit(main())
