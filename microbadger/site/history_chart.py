"""Draws the download size and the number of layers of a tag over time, as an SVG element.

The element is part of a page, whose style sheet sets its colors for the light and the dark scheme, and it adapts to
the width of the page. Texts and strokes keep their size at any width: texts are placed in percent, and only the
element with the line is stretched.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import svgwrite
from markupsafe import Markup

from microbadger.badges import layers_text
from microbadger.image import PointDocument, size_text

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEPS = (1, 2, 5)
_LEAST_SPAN = 0.1  # part of the largest value, so that a small change does not look large
_STRETCHED_WIDTH = 1000
_PLACE_OF_LAST = 970  # of the last point, whose line continues to the right border
_FIRST_TOP_PIXELS = 32
_BETWEEN_PLOTS_PIXELS = 48
_BELOW_PLOTS_PIXELS = 30
_SHORT = timedelta(days=3)
_UNUSED = ("baseProfile", "version", "xmlns", "xmlns:ev", "xmlns:xlink")


@dataclass(frozen=True, slots=True)
class _Plot:
    """A line of the chart, with its subject. A value is None if it is not known."""

    name: str
    values: Sequence[float | None]
    ticks: Sequence[float]
    unit: str
    height: int

    def y(self, value: float) -> float:
        """Return the position of a value, in pixels below the top of the plot."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(self.height * (high - value) / (high - low), 1)


def history_chart(points: Sequence[PointDocument], subject: str) -> Markup:
    """Return a chart of these points, the oldest first, or an empty string if fewer than two have a size."""
    sized = [point for point in points if "DownloadSize" in point]
    if len(sized) < 2:
        return Markup()
    times = [datetime.fromisoformat(point["Time"]) for point in points]
    drawing = svgwrite.Drawing(class_="chart", debug=False)
    drawing["role"] = "img"
    drawing.set_desc(
        title=f"Download size and layers of {subject}", desc=f"From {_said(sized[0])} to {_said(sized[-1])}."
    )
    top = bottom = _FIRST_TOP_PIXELS
    for plot in _plots(points):
        _draw(drawing, plot, top, _places(times))
        bottom = top + plot.height
        top = bottom + _BETWEEN_PLOTS_PIXELS
    _date(drawing, times, bottom + 20)
    drawing.update({"width": "100%", "height": bottom + _BELOW_PLOTS_PIXELS})
    return Markup(_markup(drawing.get_xml()))  # noqa: S704 - ElementTree has escaped every text


def _said(point: PointDocument) -> str:
    """Return a point in words, ``18.6 MiB in 9 layers on 24 Nov 2026``."""
    layers = f" in {layers_text(point['LayerCount'])}" if "LayerCount" in point else ""
    return f"{size_text(point['DownloadSize'])}{layers} on {_day(datetime.fromisoformat(point['Time']))}"


def _plots(points: Sequence[PointDocument]) -> list[_Plot]:
    largest = max(point.get("DownloadSize", 0) for point in points)
    power = min((largest.bit_length() - 1) // 10, len(_UNITS) - 1)
    sizes = [point["DownloadSize"] / 1024**power if "DownloadSize" in point else None for point in points]
    layers = [point.get("LayerCount") for point in points]
    plots = [_Plot("Download size", sizes, _ticks(sizes, 3, 0.1), f" {_UNITS[power]}", 132)]
    if any(layers):
        plots.append(_Plot("Layers", layers, _ticks(layers, 1, 1), "", 44))
    return plots


def _ticks(values: Sequence[float | None], intervals: int, least_step: float) -> list[float]:
    """Return round values at equal distances that enclose all values, with about this number of intervals."""
    known = [value for value in values if value]
    low, high = min(known), max(known)
    margin = max(_LEAST_SPAN * high - (high - low), 0) / 2
    low, high = (0 if 2 * low < high else low - margin), high + margin
    step = max(_round_step((high - low) / intervals), least_step)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _round_step(least: float) -> float:
    magnitude: float = 10 ** math.floor(math.log10(least))
    return next((step * magnitude for step in _STEPS if step * magnitude >= least), 10 * magnitude)


def _places(times: Sequence[datetime]) -> list[float]:
    """Return the position of each time along the stretched width."""
    whole = (times[-1] - times[0]) or timedelta(seconds=1)
    return [round(_PLACE_OF_LAST * ((time - times[0]) / whole), 1) for time in times]


def _draw(drawing: Any, plot: _Plot, top: int, places: Sequence[float]) -> None:
    drawing.add(drawing.text(plot.name, (0, top - 14), class_="plot"))
    decimals = 1 if any(tick % 1 for tick in plot.ticks) else 0
    for tick in plot.ticks:
        y = top + round(plot.y(tick))
        drawing.add(drawing.line((0, y), ("100%", y)))
        drawing.add(drawing.text(f"{tick:.{decimals}f}{plot.unit}", (-8, y + 4), text_anchor="end"))
    stretched = drawing.add(drawing.svg((0, top), ("100%", plot.height), preserveAspectRatio="none"))
    stretched["viewBox"] = f"0 0 {_STRETCHED_WIDTH} {plot.height}"
    stretched.add(drawing.path(_steps(plot, places)))


def _steps(plot: _Plot, places: Sequence[float]) -> str:
    """Return the path of a line that keeps each value until the next point, with gaps for unknown values."""
    commands = ""
    height: float | None = None
    for place, end, value in zip(places, [*places[1:], _STRETCHED_WIDTH], plot.values, strict=True):
        last, height = height, plot.y(value) if value else None
        if height is None:
            continue
        if last is None:
            commands += f"M{place:g} {height:g}"
        elif height != last:
            commands += f"V{height:g}"
        commands += f"H{end:g}"
    return commands


def _date(drawing: Any, times: Sequence[datetime], y: int) -> None:
    """Write the first, the middle and the last time."""
    is_short = times[-1] - times[0] < _SHORT
    middle = times[0] + (times[-1] - times[0]) / 2
    last = _PLACE_OF_LAST / _STRETCHED_WIDTH
    for time, place, anchor in ((times[0], 0, "start"), (middle, last / 2, "middle"), (times[-1], last, "end")):
        words = f"{time.day} {time:%b %H:%M}" if is_short else _day(time)
        drawing.add(drawing.text(words, (f"{place:.1%}", y), text_anchor=anchor))


def _day(time: datetime) -> str:
    return f"{time.day} {time:%b %Y}"


def _markup(svg: ElementTree.Element) -> str:
    """Return a drawing for a page, without the parts that only an SVG file needs."""
    for element in list(svg.iter()):
        for definitions in element.findall("defs"):
            element.remove(definitions)
        for attribute in _UNUSED:
            element.attrib.pop(attribute, None)
    return ElementTree.tostring(svg, encoding="unicode")
