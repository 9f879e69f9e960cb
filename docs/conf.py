"""The documentation: ``sphinx-build -W docs docs/_build``. It needs the group `docs` and the extras."""

import builtins
import re
import tomllib
from pathlib import Path
from typing import Any

from sphinx.addnodes import pending_xref

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Unbroken"
author = "The Unbroken developers"
version = release = _PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # annotations name private types, and those of other libraries

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
add_module_names = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

copybutton_exclude = ".linenos, .gp, .go"  # of a console session: the prompt and the output

_ITEM = re.compile(r"(?:-|`[^`]+`(?:, `[^`]+`)*:) ")
_CODE = re.compile(r"(``.+?``|`[^`]+`)")


def _restructured(line: str) -> str:
    """Return a line of a docstring as reStructuredText: code in double backticks, and nothing else marked."""
    pieces = _CODE.split(line)
    return "".join(
        f"``{piece.strip('` ')}``" if number % 2 else re.sub(r"([\\\\*_|])", r"\\\1", piece)
        for number, piece in enumerate(pieces)
    )


def _convert(_app: object, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Convert a docstring in place: a line that begins with a name and a colon is an item of a list.

    A block after a double colon is kept.
    """
    converted: list[str] = []
    in_item = in_block = False
    for line in lines:
        bare = line.strip()
        in_block = in_block and (not bare or line.startswith("    "))
        if in_block:
            converted.append(line)
            continue
        in_block = bare.endswith("::")
        begins = bool(_ITEM.match(bare))
        if not bare:
            in_item = False
        elif begins:
            converted += [""] if not in_item else []
            in_item = True
            bare = bare if bare.startswith("- ") else f"- {bare}"
        text = _restructured(bare)
        converted.append(f"  {text}" if in_item and not begins else text)
    lines[:] = converted


def _unlink(_app: object, tree: Any) -> None:
    """Take the links from the names of built-in types, which would lead to attributes of the same name."""
    for reference in list(tree.findall(pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            reference.replace_self(reference.children)


def setup(app: Any) -> None:
    """Register what converts the docstrings."""
    app.connect("doctree-read", _unlink)
    app.connect("autodoc-process-docstring", _convert)
