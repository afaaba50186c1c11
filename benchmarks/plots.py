"""Plots as SVG, without a plotting library: horizontal bars with whiskers, and lines."""

from collections.abc import Sequence
from html import escape

from .summary import Spread

WIDTH, LABEL, BAR, GAP = 760, 300, 18, 10
FONT = 'font-family="system-ui, sans-serif" font-size="13" fill="currentColor"'
COLOURS = {"goal": "#2a7f62", "gate": "#c28f2c", "missed": "#b3423a", "plain": "#4c6a92"}


def bars(title: str, lines: Sequence[tuple[str, Spread, str]], unit: str) -> str:
    """One bar a line: label, value with its smallest and largest sample, and the word for its colour."""
    top = max(spread.high for _, spread, _ in lines) or 1.0
    room = WIDTH - LABEL - 110
    height = 40 + len(lines) * (BAR + GAP)
    parts = [_open(height, title), f'<text x="0" y="18" {FONT} font-weight="600">{escape(title)}</text>']
    for place, (label, spread, colour) in enumerate(lines):
        y = 34 + place * (BAR + GAP)
        middle = y + BAR / 2
        length = max(1.0, room * spread.median / top)
        low, high = (LABEL + room * value / top for value in (spread.low, spread.high))
        parts += [
            f'<text x="{LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end" {FONT}>{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS[colour]}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-width="1.5"/>',
            f'<text x="{max(high, LABEL + length) + 6:.1f}" y="{middle + 4:.1f}" {FONT}>{_value(spread.median)} {unit}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def curve(title: str, points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """A line through points (x, y), from zero up."""
    height, left, foot = 280, 70, 40
    wide, tall = WIDTH - left - 20, height - foot - 40
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) * 1.1 or 1.0
    path = " ".join(f"{left + wide * x / right:.1f},{40 + tall * (1 - y / top):.1f}" for x, y in points)
    parts = [
        _open(height, title),
        f'<text x="0" y="18" {FONT} font-weight="600">{escape(title)}</text>',
        f'<line x1="{left}" x2="{left + wide}" y1="{40 + tall}" y2="{40 + tall}" stroke="currentColor"/>',
        f'<line x1="{left}" x2="{left}" y1="40" y2="{40 + tall}" stroke="currentColor"/>',
        f'<polyline points="{path}" fill="none" stroke="{COLOURS["plain"]}" stroke-width="2"/>',
        f'<text x="{left + wide}" y="{height - 8}" text-anchor="end" {FONT}>{escape(across)} (to {_value(right)})</text>',
        f'<text x="{left - 6}" y="{40 + tall + 4}" text-anchor="end" {FONT}>0</text>',
        f'<text x="{left - 6}" y="44" text-anchor="end" {FONT}>{_value(top)}</text>',
        f'<text x="{left + 6}" y="36" {FONT}>{escape(up)}</text>',
    ]
    return "\n".join([*parts, "</svg>\n"])


def _open(height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'color="#555" role="img" aria-label="{escape(title, quote=True)}">'
    )


def _value(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) >= 100 else f"{value:.3g}"
