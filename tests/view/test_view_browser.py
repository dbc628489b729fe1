"""The page in a real browser: it draws without an error, zooms, and measures what the analysis measures."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from view_traces import Faulty, write_jls

from analysis.view.build import view_file, view_pass
from lab.record.traces import open_trace
from lab.report.view import write_view

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here: apt install chromium")


def drawn(page: Path, fragment: str = "") -> str:
    """The page's text after its script ran."""
    done = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={page.parent / 'browser'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            f"{page.as_uri()}{fragment}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (root,) = re.findall(r"<html[^>]*>", done.stdout)
    assert "data-error" not in root, root
    assert re.search(r'data-drawn="[1-9]', root), root
    return html.unescape(done.stdout)


def measured(text: str) -> str:
    (said,) = re.findall(r'<div class="measured">(.*?)</div>', text, re.DOTALL)
    return said


def test_it_draws_and_measures_a_selection_as_the_analysis_does(faulty: Faulty, tmp_path: Path) -> None:
    record = faulty("none")
    page = tmp_path / "a.html"
    write_view(view_pass(record, "t0001.energy"), page)
    said = measured(drawn(page, "#from=1.5&to=2.5&measure=1"))
    with open_trace(record.root, record.passes()["t0001.energy"].end.traces[0]) as trace:
        first, last = round(1.5 * trace.rate_hz), round(2.5 * trace.rate_hz)
        power = trace.read("current", first, last).astype(np.float64) * trace.read("voltage", first, last)
    (mean, energy) = re.findall(r"mean ([\d.]+) W, energy ([\d.]+) J", said)[0]
    assert float(mean) == pytest.approx(power.mean(), rel=1e-4)
    assert float(energy) == pytest.approx(power.sum() / 1000, rel=1e-4)
    assert "≈" not in said


def test_a_selection_over_a_gap_says_how_much_of_it_was_seen(tmp_path: Path) -> None:
    current = np.ones(4000)
    current[1000:2000] = np.nan
    page = tmp_path / "a.html"
    write_view(view_file(write_jls(tmp_path / "a.jls", current)), page)
    said = measured(drawn(page, "#from=0.5&to=2.5&measure=1"))
    assert "mean 5 W, energy 5 J" in said
    assert "only 50.0 % of it was seen" in said


def test_a_thinned_trace_says_that_it_is_approximate(tmp_path: Path) -> None:
    current = np.repeat([1.0, 2.0, 1.0], 100_000)
    path = write_jls(tmp_path / "a.jls", current, rate_hz=100_000.0)
    page = tmp_path / "a.html"
    write_view(view_file(path, budget_bytes=60_000), page)
    said = measured(drawn(page, "#from=0.2503&to=2.7501&measure=1"))
    ((mean, energy),) = re.findall(r"mean ≈ ([\d.]+) W, energy ≈ ([\d.]+) J", said)
    assert float(mean) == pytest.approx((5 * 2.4998 + 5) / 2.4998, rel=1e-3)
    assert float(energy) == pytest.approx(5 * 2.4998 + 5, rel=1e-3)
    assert "edges cut steps" in said


def test_a_damaged_pass_draws_too(faulty: Faulty, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    write_view(view_pass(faulty("unplug"), "t0001.energy", budget_bytes=20_000), page)
    text = drawn(page, "#from=1.0&to=3.0")
    assert "in view: 1.000 s … 3.000 s" in text


USES = """
<script>
addEventListener("load", async () => {
  const canvas = document.querySelector("canvas.main"), at = canvas.getBoundingClientRect(), said = [];
  canvas.setPointerCapture = () => {};
  const move = (type, x, more = {}) => canvas.dispatchEvent(new PointerEvent(
    type, { clientX: at.left + x, clientY: at.top + 100, pointerId: 1, bubbles: true, ...more }));
  const stroke = (from, to, more) => {
    move("pointerdown", from, more);
    move("pointermove", to, more);
    move("pointerup", to, more);
    move("pointerleave", 0);
  };
  const key = (name) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
  const uses = {
    wheel: () => canvas.dispatchEvent(
      new WheelEvent("wheel", { clientX: at.left + 400, deltaY: -600, cancelable: true })),
    drag: () => stroke(500, 450),
    measure: () => stroke(300, 600, { shiftKey: true }),
    forget: () => key("Escape"),
    window: () => key("w"),
    left: () => key("ArrowLeft"),
    in: () => key("+"),
    whole: () => key("Home"),
    jump: () => document.querySelector("button[data-jump]").click(),
    toggle: () => document.querySelector("input[data-toggle=current]").click(),
    double: () => canvas.dispatchEvent(new MouseEvent("dblclick")),
  };
  for (const [name, use] of Object.entries(uses)) {
    use();
    await new Promise((done) => setTimeout(done, 40));
    const text = (place) => document.querySelector(place).textContent;
    said.push(`${name}: ${text(".pointer")} ${text(".measured")}`);
  }
  const log = document.createElement("pre");
  log.id = "uses";
  log.textContent = said.join("\\n");
  document.body.append(log);
});
</script></body>"""
"""Uses the page as a person would, and writes down what it says after each step."""


def test_it_can_be_used_by_wheel_pointer_and_keys(faulty: Faulty, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    write_view(view_pass(faulty("drops"), "t0001.energy"), page)
    # Without a screen there are no frames to wait for.
    soon = "<script>window.requestAnimationFrame = (use) => setTimeout(use, 0);</script><style>"
    page.write_text(page.read_text().replace("<style>", soon, 1).replace("</body>", USES))
    (log,) = re.findall(r'<pre id="uses">(.*?)</pre>', drawn(page), re.DOTALL)
    said = dict(line.split(": ", 1) for line in log.splitlines())
    views = {name: tuple(map(float, re.findall(r"([\d.]+) s …? ?([\d.]+) s", text)[0])) for name, text in said.items()}
    whole = views["double"]
    assert whole[0] == 0.0
    assert views["whole"] == whole
    assert views["wheel"][1] - views["wheel"][0] < 0.5 * whole[1]
    assert views["drag"][0] > views["wheel"][0], "the trace follows the pointer"
    assert "energy" in said["measure"]
    assert "energy" not in said["forget"]
    assert views["window"][0] < 1.41 < 3.39 < views["window"][1]
    assert views["left"][0] < views["window"][0]
    assert views["in"][1] - views["in"][0] < views["left"][1] - views["left"][0]
    assert views["jump"][1] - views["jump"][0] < whole[1] / 2
