"""What labels mean: what a person says, else what is known of the repository, else what the name tells by a table of words, in a reading
that would rather not know than be wrong.

A name is read by all its words, never by a part of one ("unreal" is not "real"). A negation, a word that is not in the tables, or words
that contradict each other leave it unread, and whoever needs it asks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from attribution.errors import UnmappedLabels, UnusableDetector
from attribution.evidence import LABEL_FAMILIES, UNKNOWN_FAMILY
from attribution.messages import Message
from attribution.messages import gettext as _

MANIPULATED = "manipulated"
"""How people write the meaning of a label that tells a manipulation and not by what kind of method."""
MEANINGS = ("real", MANIPULATED, *(family for family in LABEL_FAMILIES if family not in ("real", UNKNOWN_FAMILY)))

# Words that may stand beside others and mean nothing by themselves.
_BESIDE = (
    "a an the of by with from in as image images img picture pictures photo photos photograph photographs face faces facial portrait "
    "portraits video videos frame frames person people content media art artwork method model class label made created xl"
)
_NEGATIONS = ("no", "not", "non", "un", "never", "without", "anti", "isnt", "neither", "nor", "vs", "or")
_TABLES = {
    "real": "real reals realism realistic human humans authentic authenticity genuine original originals pristine natural untouched "
    "unaltered unedited unmanipulated unmodified untampered bonafide bona-fide camera photographic",
    UNKNOWN_FAMILY: "fake fakes faked deepfake deepfakes deep-fake deep-fakes ai aigc aigen ai-gen artificial generated generative "
    "synthetic synthesis synthesized synthesised manipulated manipulation forged forgery altered tampered edited doctored spliced "
    "photoshopped inpainted computer-generated cgi",
    "face_swap": "faceswap faceswaps faceswapped face-swap face-swaps face-swapped face-swapping faceswapping faceshifter simswap "
    "inswapper roop deepfacelab blendface fsgan mobileswap hififace uniface",
    "reenactment": "reenactment reenacted face-reenactment face2face face-2-face neuraltextures neural-textures wav2lip lipsync lip-sync "
    "fomm first-order-motion talking-head liveportrait",
    "gan": "gan gans progan pggan stylegan stylegan1 stylegan2 stylegan3 style-gan cyclegan stargan biggan gaugan attgan eg3d "
    "generative-adversarial-network",
    "diffusion": "diffusion diffusions latent-diffusion stable-diffusion stablediffusion sdxl sd1 sd14 sd15 sd2 sd21 sd3 sd35 midjourney "
    "flux flux1 dalle2 dalle3 dall-e-2 dall-e-3 imagen glide ddpm ddim ldm pixart kandinsky",
}
_PHRASES = {tuple(entry.split("-")): meaning for meaning, table in _TABLES.items() for entry in table.split()}
_LONGEST = max(len(phrase) for phrase in _PHRASES)


def read_meanings(names: Sequence[str]) -> tuple[str | None, ...]:
    """Per label the family that its name tells: one of evidence's FAMILIES, or "unknown" for a manipulation of no told kind. None where the
    name does not tell ("LABEL_0", "positive", "unreal", "not fake")."""
    plain = [unicodedata.normalize("NFKC", name) for name in names]
    # "StyleGAN" is a word of the tables, "RealFaces" two of them.
    return tuple(_meaning(_words(name)) or _meaning(_words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))) for name in plain)


def decide(names: Sequence[str], said: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, ...]:
    """The family of every label of a detector, in the order of its `names`; `said` is what a person says that some of them mean (label →
    one of MEANINGS), `known` what is known of that repository, in families. Raises UnusableDetector when `said` speaks of a label that is
    not there, and UnmappedLabels where a person has to be asked: a label has no meaning, none or more than one is untouched, or all are."""
    listed = ", ".join([name[:40] for name in names[:10]] + ["…"] * (len(names) > 10))
    strangers = [label for label in said if label not in names]
    if strangers:
        what = _("The detector has no label “{label}”.").format(label=strangers[0][:40])
        raise UnusableDetector(what, _("Its labels are: {labels}.").format(labels=listed))
    found = [said.get(name) or known.get(name) or read for name, read in zip(names, read_meanings(names), strict=True)]
    families = tuple(UNKNOWN_FAMILY if meaning == MANIPULATED else meaning for meaning in found)
    real = families.count("real")
    unclear: Message | None = None
    if None in families:
        unclear = _("The names of some labels of this detector do not tell what they mean: {labels}.")
    elif one_sided(families) and real:
        unclear = _("None of the labels of this detector stands for a manipulation: {labels}.")
    elif one_sided(families):
        unclear = _("None of the labels of this detector stands for an untouched face: {labels}.")
    # Somebody who says what the labels mean may call two of them untouched.
    elif real > 1 and not said:
        unclear = _("More than one label of this detector stands for an untouched face: {labels}.")
    if unclear is not None:
        step = _("Say for each whether it stands for an untouched face (real), for a manipulation (manipulated), or for which kind of one.")
        raise UnmappedLabels(unclear.format(labels=listed), step, tuple(names))
    return tuple(str(family) for family in families)


def one_sided(meanings: Sequence[str | None]) -> bool:
    """Whether these meanings cannot stand whoever gave them: none of them is an untouched face, or all are."""
    return len({meaning == "real" for meaning in meanings}) < 2


def _words(name: str) -> list[str]:
    """In small letters, split at every other sign; "isn't" is a negation, other apostrophes are none of ours."""
    return re.findall(r"[^\W_]+", name.replace("n't", "nt").replace("n’t", "nt").lower())


def _meaning(words: list[str]) -> str | None:
    found, at = set[str](), 0
    while at < len(words):
        length = next((n for n in range(min(_LONGEST, len(words) - at), 0, -1) if tuple(words[at : at + n]) in _PHRASES), 0)
        if length:
            found.add(_PHRASES[tuple(words[at : at + length])])
            at += length
        elif words[at] in _NEGATIONS:
            return None
        elif words[at] in _BESIDE.split() or (found and re.fullmatch(r"v?\d+", words[at])):
            at += 1
        else:
            return None
    kinds = found - {UNKNOWN_FAMILY}
    # "fake" beside "face swap" adds nothing; beside "real" it contradicts.
    if len(kinds) == 1 and (len(found) == 1 or "real" not in found):
        return kinds.pop()
    return None if not found or "real" in found else UNKNOWN_FAMILY
