"""What the tests of the gateway's pages read: the pages, their blocks and tables, and the files to deploy it."""

import re
import textwrap
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy" / "gateway"
PAGES: Final = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs" / "gateway").glob("*.md"))}
ENVIRON: Final = {
    "ANTHROPIC_API_KEY": "a key",
    "UNBROKEN_GATEWAY_PEPPER": "Zk3wq8Vt1xL7mB0cYhR5dNs2pGf9uJe4",
    "UNBROKEN_GATEWAY_ADMIN": "p7Wc2Lx9Gd4Tn0Qv8Rb5Ky1Mf6Hs3ZaE",
}


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language, those in lists without their indentation."""
    fence = rf"^( *)```{language}\n(.*?)^\1```$"
    return [textwrap.dedent(found[2]) for found in re.finditer(fence, page, re.MULTILINE | re.DOTALL)]


def rows(page: str, first: str) -> list[list[str]]:
    """Return the cells of the table whose head begins with the cell `first`."""
    table = page.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def words(cell: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)
