"""A Griffe extension that prepares docstrings for the API reference.

Examples in doctest form become code blocks, and the paragraphs "Input:", "Output:" and "Source:"
start with a bold word.
"""

import re
import textwrap

from griffe import Extension, Object


class Docstrings(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_) -> None:
        """Called by Griffe for every object that it has read."""
        if obj.docstring:
            obj.docstring.value = prepared(obj.docstring.value)


def prepared(docstring: str) -> str:
    """Returns a docstring whose examples are fenced and whose labels are bold.

    Example:

    >>> print(prepared("Adds.\\n\\nExample:\\n\\n>>> 1 + 1\\n2"))
    Adds.
    <BLANKLINE>
    **Example**
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    text = re.sub(
        r"^(Input|Output|Source|Input and output): ", r"\n**\1:** ", docstring, flags=re.M
    )
    text = re.sub(
        r"^Examples?:\n((?:\n|[ \t]+\S.*(?:\n|\Z))+)",
        lambda match: f"Example:\n\n{textwrap.dedent(match[1]).strip()}\n\n",
        text,
        flags=re.M,
    )
    text = re.sub(r"^Examples?:\n+(?=>>>)", "**Example**\n\n", text, flags=re.M)
    fenced = re.sub(
        r"^>>> .*(?:\n(?!\n|\Z).+)*(?:\n\n>>> .*(?:\n(?!\n|\Z).+)*)*",
        lambda match: f"```pycon\n{match[0]}\n```",
        text,
        flags=re.M,
    )
    return re.sub(r"\n{3,}", "\n\n", fenced)
