"""Text of others in messages and tables: in one line, and not too long."""

import re
import reprlib

# With those that end a line elsewhere, or turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 10
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def one_line(text: object, length: int = 800) -> str:
    r"""Returns a text as one line that a terminal shows as it is.

    Control characters become what Python writes for them, such as `\n`. Of a
    text that is longer than `length` characters, the middle is left out.
    """
    text = str(text)
    if len(text) > length:
        half = length // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return _CONTROL.sub(
        lambda match: match[0].encode("unicode_escape").decode(), text
    )


def short_repr(value: object) -> str:
    """Returns `repr(value)` or what fits into some 200 characters of it."""
    return one_line(_SHORT.repr(value), 200)
