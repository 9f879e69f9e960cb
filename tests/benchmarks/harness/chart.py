"""A bar chart as SVG, for light and for dark pages."""

from html import escape

LIGHT = {"text": "#1f2328", "grid": "#d1d9e0", "ours": "#0969da", "peer": "#8c959f"}
DARK = {"text": "#e6edf3", "grid": "#3d444d", "ours": "#58a6ff", "peer": "#767e87"}
BAR, GAP, LEFT, WIDTH, SIDE = 18, 8, 190, 720, 70


def chart(title: str, bars: list[tuple[str, float]], colours: dict[str, str], cut: float = 3.0) -> str:
    """Return the chart of some ratios; a bar that is longer than `cut` is broken off, and says how long it is."""
    scale = (WIDTH - LEFT - SIDE) / cut
    height = 44 + len(bars) * (BAR + GAP)
    one = LEFT + scale
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    font = f'font-family="system-ui, sans-serif" font-size="13" fill="{colours["text"]}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font}>',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="16" font-weight="600">{escape(title)}</text>',
        f'<line x1="{one}" x2="{one}" y1="28" y2="{height - 8}" stroke="{colours["grid"]}"/>',
    ]
    for place, (name, ratio) in enumerate(bars):
        top = 34 + place * (BAR + GAP)
        width = min(ratio, cut) * scale
        colour = colours["ours" if name.startswith("Unbroken") else "peer"]
        parts += [
            f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LEFT + width + 6:.1f}" y="{top + 14}">{ratio:.2f}{" …" if ratio > cut else ""}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
