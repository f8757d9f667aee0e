"""The plot of a benchmark: a document that can be read, with a bar for every figure."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from mesos_service.bench.plot import Bars

NAME = "{http://www.w3.org/2000/svg}"


def test_every_figure_has_a_bar_and_more_is_higher() -> None:
    bars = Bars(title="a < b", unit="ms", groups=["alone", "beside"], series={"p50": [1.0, 10.0], "p95": [2.0, 1000.0]})
    root = ET.fromstring(bars.svg())
    coloured = [one for one in root.iter(f"{NAME}rect") if one.get("fill") not in ("white", None)]
    heights = [float(one.get("height", "0")) for one in coloured if one.get("width") != "12"]
    first, second, third, fourth = heights[0], heights[1], heights[2], heights[3]
    assert first < second < third < fourth
    texts = [one.text for one in root.iter(f"{NAME}text")]
    assert {"a < b", "alone", "beside", "p50", "p95", "1e+03"} <= set(texts)


def test_nothing_measured_is_still_a_plot() -> None:
    assert ET.fromstring(Bars(title="t", unit="ms", groups=["a"], series={"p50": [0.0]}).svg()) is not None
