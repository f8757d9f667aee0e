"""A plot of bars as SVG, for figures that a picture says faster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT, _BOTTOM, _TOP = 60, 60, 50
_COLOURS: Final = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Groups of bars over a logarithmic axis; ``series`` has one positive number for each group."""

    title: str
    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]

    def svg(self) -> str:
        """The picture, as a document of its own."""
        values = [value for row in self.series.values() for value in row if value > 0]
        low = math.floor(math.log10(min(values, default=1)))
        high = max(low + 1, math.ceil(math.log10(max(values, default=10))))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
            ' font-size="12">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            _text(_WIDTH / 2, 20, self.title, anchor="middle", size=14),
            _text(_LEFT - 50, 40, self.unit),
        ]
        for power in range(low, high + 1):
            y = _y(10.0**power, low, high)
            parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
            parts.append(_text(_LEFT - 6, y + 4, f"{10.0**power:g}", anchor="end"))
        slot = (_WIDTH - _LEFT - 10) / max(1, len(self.groups))
        bar = slot * 0.8 / max(1, len(self.series))
        for number, group in enumerate(self.groups):
            start = _LEFT + number * slot + slot * 0.1
            parts.append(_text(start + slot * 0.4, _HEIGHT - _BOTTOM + 18, group, anchor="middle"))
            for place, row in enumerate(self.series.values()):
                y = _y(max(row[number], 10.0**low), low, high)
                x = start + place * bar
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar - 2:.1f}" height="{_HEIGHT - _BOTTOM - y:.1f}"'
                    f' fill="{_COLOURS[place % len(_COLOURS)]}"/>'
                )
                parts.append(_text(x + bar / 2, y - 4, f"{row[number]:.3g}", anchor="middle", size=10))
        for place, name in enumerate(self.series):
            x = _LEFT + place * 80
            colour = _COLOURS[place % len(_COLOURS)]
            parts.append(f'<rect x="{x}" y="{_HEIGHT - 24}" width="12" height="12" fill="{colour}"/>')
            parts.append(_text(x + 18, _HEIGHT - 14, name))
        return "\n".join([*parts, "</svg>\n"])


def _y(value: float, low: int, high: int) -> float:
    share = (math.log10(value) - low) / (high - low)
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
