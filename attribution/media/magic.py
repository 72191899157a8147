"""What a file is, by its first bytes and never by its name. Nothing is decoded here: the parent process may look at these bytes."""

import struct
from dataclasses import dataclass

from attribution.errors import NoPictures, UnsupportedMedia
from attribution.messages import gettext as _
from attribution.text.reasons import DECODER

HEAD_BYTES = 4096
WHAT_WE_OPEN = _("Give a picture (JPEG, PNG, WebP, GIF, AVIF) or a clip (MP4, MOV, MKV, WebM, AVI, MXF).")
_IS_A, _TO_PICTURE, _TO_CLIP = DECODER["picture_not_opened"], DECODER["convert_picture"], _("Convert it to MP4 first.")
_UNPACK = _("Unpack it and give the picture or clip inside.")


@dataclass(frozen=True)
class Format:
    """`opener` is the one Pillow format or libav demuxer that may read the file; `label` is its name for people."""

    kind: str
    label: str
    opener: str


# ISO base media brands of still pictures, and of the tracks that phones put beside them.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

# Beginnings of what we refuse, and what to say of it.
_KNOWN_REFUSALS = (
    ((b"II*\x00", b"MM\x00*"), _IS_A.format(format="TIFF"), _TO_PICTURE),
    (b"BM", _IS_A.format(format="BMP"), _TO_PICTURE),
    (b"\x00\x00\x01\x00", _IS_A.format(format="ICO"), _TO_PICTURE),
    (b"\x00\x00\x00\x0cjP  ", _IS_A.format(format="JPEG 2000"), _TO_PICTURE),
    ((b"\x00\x00\x00\x0cJXL ", b"\xff\x0a"), _IS_A.format(format="JPEG XL"), _TO_PICTURE),
    (b"8BPS", _IS_A.format(format="Photoshop"), _TO_PICTURE),
    (b"%PDF", _IS_A.format(format="PDF"), _TO_PICTURE),
    (b"%!PS", _IS_A.format(format="PostScript"), _TO_PICTURE),
    ((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), _("This is an archive or an office document."), _UNPACK),
    (b"FLV\x01", _IS_A.format(format="Flash Video"), _TO_CLIP),
    (b"0&\xb2u\x8ef\xcf\x11", _IS_A.format(format="Windows Media"), _TO_CLIP),
    (b"\x00\x00\x01\xba", _IS_A.format(format="MPEG-PS"), _TO_CLIP),
    (b"OggS", _IS_A.format(format="Ogg"), _TO_CLIP),
)
_SOUND = (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9", b"#!AMR")


def recognise(head: bytes) -> Format:
    """The format of a file that begins with `head` (its first HEAD_BYTES, or fewer when it is shorter).

    Raises UnsupportedMedia, or NoPictures for a sound file."""
    for beginning, name in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF")):
        if head.startswith(beginning):
            return Format("picture", name, name)
    if head[:4] == b"RIFF":
        return _riff(head)
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in _QUICKTIME_ATOMS:
        return Format("clip", "mov", "mov")
    if head.startswith(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02"):
        return Format("clip", "mxf", "mxf")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return Format("clip", "webm" if b"\x42\x82\x84webm" in head[:64] else "mkv", "matroska")
    if _every(head, 0, 188) or _every(head, 4, 192):
        return Format("clip", "mpegts", "mpegts")
    raise _refusal(head)


def declared_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG, GIF or WebP states in its first bytes, None when it does not (a JPEG states them further on)."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 24:
        return struct.unpack(">II", head[16:24])
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return struct.unpack("<HH", head[6:10])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        chunk = head[12:16]
        if chunk == b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        if chunk == b"VP8L":
            packed = int.from_bytes(head[21:25], "little")
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        if chunk == b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


def _riff(head: bytes) -> Format:
    form = head[8:12]
    if form == b"WEBP":
        return Format("picture", "WebP", "WEBP")
    if form == b"AVI ":
        return Format("clip", "avi", "avi")
    raise _sound() if form == b"WAVE" else _unknown()


def _iso_media(head: bytes) -> Format:
    brand = head[8:12]
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {brand, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brand in _AVIF_BRANDS or (brand in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return Format("picture", "AVIF", "AVIF")
    if brand in _HEIF_BRANDS:
        raise UnsupportedMedia(_IS_A.format(format="HEIC"), _TO_PICTURE)
    return Format("clip", "mov" if brand == b"qt  " else "mp4", "mov")


def _every(head: bytes, first: int, step: int) -> bool:
    """Whether the sync byte of a transport stream stands at `first` and twice more, `step` bytes apart."""
    return len(head) > first + 2 * step and all(head[first + step * i] == 0x47 for i in range(3))


def _refusal(head: bytes) -> UnsupportedMedia | NoPictures:
    for beginning, what, next_step in _KNOWN_REFUSALS:
        if head.startswith(beginning):
            return UnsupportedMedia(what, next_step)
    if head.startswith(_SOUND):
        return _sound()
    text = _as_text(head)
    if text is None:
        return _unknown()
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<svg", "<?xml")) and "<svg" in start:
        return UnsupportedMedia(_IS_A.format(format="SVG"), _TO_PICTURE)
    if start.startswith("#extm3u"):
        what = _("This is a playlist: it only points to a clip elsewhere.")
        return UnsupportedMedia(what, _("Download the clip itself and give that file."))
    if start.startswith(("<!doctype html", "<html")):
        what = _("This is a web page, not a picture or clip.")
        return UnsupportedMedia(what, _("Save the picture or clip itself and give that file."))
    return UnsupportedMedia(_("This is a text file, whatever its name says."), WHAT_WE_OPEN)


def _as_text(head: bytes) -> str | None:
    """The bytes as text, None when they are none. The last character may be cut in the middle."""
    for spare in range(4):
        try:
            text = head[: len(head) - spare].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return None if any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in text) else text
    return None


def _sound() -> NoPictures:
    return NoPictures(_("This is a sound file: there is no picture in it."), WHAT_WE_OPEN)


def _unknown() -> UnsupportedMedia:
    return UnsupportedMedia(_("This is neither a picture nor a clip of a kind that Telltale opens."), WHAT_WE_OPEN)
