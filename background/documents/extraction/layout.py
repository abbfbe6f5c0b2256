"""How a marked-up text is laid out, whatever marks it: its white space collapsed, its borders as line ends and tabs."""

import io
from typing import Final

# What may stand between two words; of several the last one here wins.
_NONE, SPACE, CELL, LINE, BLOCK = range(5)
_SHOWN: Final = ("", " ", "\t", "\n", "\n\n")


class Layout:
    """A text that is written from its begin to its end, with borders in the place of white space beside them."""

    def __init__(self) -> None:
        self.copy: list[str] | None = None  # where what is written goes, too
        self._out = io.StringIO()
        self._border = _NONE
        self._broken = False

    def border(self, border: int) -> None:
        """What follows is a new block, a new line, or another cell."""
        self._border = max(border, self._border)

    def line_break(self) -> None:
        """What follows is a new line; two of them make a new block."""
        self.border(BLOCK if self._broken else LINE)
        self._broken = True

    def write(self, text: str, *, as_it_is: bool = False) -> None:
        """Add `text`; its line ends and spaces stay only where it is taken `as_it_is`."""
        words = text if as_it_is else " ".join(text.split())
        if not as_it_is and text[:1].isspace():
            self.border(SPACE)
        if words:
            self._out.write(_SHOWN[self._border])
            self._out.write(words)
            if self.copy is not None:
                self.copy += _SHOWN[self._border], words
            self._border = SPACE if not as_it_is and text[-1].isspace() else _NONE
            self._broken = False

    def text(self) -> str:
        """All that was written."""
        return self._out.getvalue()
