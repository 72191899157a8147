"""Which signs of a stranger's text may be shown. A file's name may hold anything, even commands to the terminal, or what turns its letters
round; the two joiners are needed to write: U+200C in Persian, U+200D in emoji and Indic scripts."""

_JOINERS = "\u200c\u200d"


def printable(text: str, instead: str = "�", allowed: str = "") -> str:
    """The text with `instead` for every sign that is neither printable nor a joiner nor `allowed`."""
    return "".join(sign if sign.isprintable() or sign in _JOINERS or sign in allowed else instead for sign in text)
