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

_URLS = {label.lower(): url for label, url in _PROJECT.get("urls", {}).items()}
_REPOSITORY = next((_URLS[label] for label in ("repository", "source", "source code") if label in _URLS), None)

html_theme = "furo"
html_theme_options = (
    {}
    if _REPOSITORY is None
    else {"source_repository": _REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
)
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

copybutton_exclude = ".linenos, .gp, .go"  # of a console session: the prompt and the output

_ITEM = re.compile(r"(?:-|`[^`]+`(?:, `[^`]+`)*:) ")
_CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_UNWRITTEN = re.compile(r"<[\w. ]*>|\bNOTHING\b")
_CHECKED = re.compile(r"~typing\.Annotated\[(.+?), msgspec\.Meta\([^)]*\)\]")  # how msgspec checks a field


def _restructured(text: str) -> str:
    """Return a paragraph of a docstring as reStructuredText: code in double backticks, and nothing else marked."""
    plain, *rest = _CODE.split(text)
    marked = _plain(plain)
    for code, plain in zip(rest[::2], rest[1::2], strict=True):
        end = "\\ " if re.match(r"\w", plain) else ""  # the end of code must be told from a letter that follows
        marked += f"``{code.strip('` ')}``{end}{_plain(plain)}"
    return marked


def _plain(text: str) -> str:
    return re.sub(r"([\\*_|])", r"\\\1", text)


def _convert(_app: object, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Convert a docstring in place: a line that begins with a name and a colon is an item of a list.

    A block after a double colon is kept.
    """
    converted: list[str] = []
    paragraph: list[str] = []

    def end_paragraph() -> None:
        converted.extend(_restructured("\n".join(paragraph)).splitlines())  # code may go on in the next line
        paragraph.clear()

    in_item = in_block = False
    for line in [*lines, ""]:
        bare = line.strip()
        in_block = in_block and (not bare or line.startswith("    "))
        begins = not in_block and bool(_ITEM.match(bare))
        if in_block or not bare or begins:
            end_paragraph()
        if in_block or not bare:
            converted.append(line)
            in_item = in_item and in_block
            continue
        in_block = bare.endswith("::")
        if begins:
            converted += [""] if not in_item else []
            in_item = True
            bare = bare if bare.startswith("- ") else f"- {bare}"
        paragraph.append(f"  {bare}" if in_item and not begins else bare)
    lines[:] = converted


def _sign(
    _app: object, what: str, _name: str, _thing: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """Return a signature that Sphinx can parse, so that it has links: a default that is no expression is an ellipsis.

    That of a protocol, which is not called, is empty.
    """
    if signature is None:
        return None
    if what == "class" and signature == "(*args, **kwargs)":
        return "", returned
    return _UNWRITTEN.sub("...", _CHECKED.sub(r"\1", signature)), returned


def _unlink(_app: object, tree: Any) -> None:
    """Take the links from the names of built-in types, which would lead to attributes of the same name."""
    for reference in list(tree.findall(pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            reference.replace_self(reference.children)


def setup(app: Any) -> None:
    """Register what converts the docstrings and the signatures."""
    app.connect("doctree-read", _unlink)
    app.connect("autodoc-process-docstring", _convert)
    app.connect("autodoc-process-signature", _sign)
