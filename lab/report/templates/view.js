"use strict";
(() => {
const root = document.documentElement;
addEventListener("error", (event) => { root.dataset.error = event.message; });
const data = JSON.parse(document.getElementById("view-data").textContent);

// ---------------------------------------------------------------------------------------------------------- numbers

const buffer = (() => {
  const text = atob(document.getElementById("view-numbers").textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes.buffer;
})();
const KINDS = { f4: Float32Array, f8: Float64Array };
const array = ([kind, offset, length]) => new KINDS[kind](buffer, offset, length);

const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];
function si(value, unit, digits = 4) {
  if (value === null || !Number.isFinite(value)) return "—";
  if (value === 0) return `0 ${unit}`;
  const size = Number(Math.abs(value).toPrecision(digits));
  const [factor, prefix] = PREFIXES.find(([least]) => size >= least) ?? PREFIXES[PREFIXES.length - 1];
  return `${Number((value / factor).toPrecision(digits))} ${prefix}${unit}`.replace("-", "−");
}
function count(number) { return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f"); }
/** An instant in seconds, to the microsecond or, where `span` is short, as far as it takes to tell pixels apart. */
function instant(at, span) {
  const digits = Math.min(9, Math.max(3, 3 - Math.floor(Math.log10(span || 1))));
  return `${at.toFixed(digits)} s`.replace("-", "−");
}

// ------------------------------------------------------------------------------------------------------------ traces

const UNITS = { power: "W", current: "A", voltage: "V" };
const COLOURS = { power: "--first", current: "--second", voltage: "--third" };

/** Values of one quantity of a tile: low(k), mean(k), high(k) of bucket k, and how many samples it holds. */
function series(tile, packed) {
  if (packed.product) {
    const [i, v] = [array(packed.product[0]), array(packed.product[1])];
    const value = (k) => Math.fround(i[k] * v[k]);
    return { low: value, mean: value, high: value, held: (k) => (Number.isNaN(value(k)) ? 0 : 1) };
  }
  if (packed.value) {
    const values = array(packed.value), value = (k) => values[k];
    return { low: value, mean: value, high: value, held: (k) => (Number.isNaN(values[k]) ? 0 : 1) };
  }
  const [low, mean, high] = [packed.low, packed.mean, packed.high].map(array);
  const partly = new Map(packed.partly);
  const last = tile.buckets - 1, rest = tile.stop - tile.start - last * tile.per;
  return {
    low: (k) => low[k], mean: (k) => mean[k], high: (k) => high[k],
    held: (k) => partly.get(k) ?? (k === last ? rest : tile.per),
  };
}

function openTile(packed) {
  const tile = { ...packed, buckets: Math.ceil((packed.stop - packed.start) / packed.per), series: {} };
  for (const [name, item] of Object.entries(packed.series)) tile.series[name] = series(tile, item);
  return tile;
}

function openMeter(packed) {
  const meter = { ...packed, tiles: packed.tiles.map(openTile), steps: packed.steps.map(openSteps) };
  meter.gaps = { start: array(packed.gaps.start), stop: array(packed.gaps.stop) };
  meter.lines = packed.lines.map((line) => ({ ...line, start: array(line.start), stop: array(line.stop),
    pieces: array(line.pieces), level: array(line.level) }));
  meter.toTime = (sample) => meter.zero + sample * meter.dt;
  meter.toSample = (time) => (time - meter.zero) / meter.dt;
  meter.cuts = [...new Set(meter.tiles.flatMap((tile) => [tile.start, tile.stop]))].sort((a, b) => a - b);
  meter.quantities = Object.keys(UNITS).filter((name) =>
    meter.tiles.some((tile) => tile.series[name]) || meter.steps.some((steps) => steps.quantity === name));
  return meter;
}

/** The tiles to use for samples [a, b) at so many samples per pixel: the coarsest that is fine enough, else the finest. */
function pieces(meter, quantity, a, b, perPixel) {
  const found = [];
  for (let k = 0; k + 1 < meter.cuts.length; k++) {
    const from = Math.max(meter.cuts[k], a), to = Math.min(meter.cuts[k + 1], b);
    if (to <= from) continue;
    let best = null;
    for (const tile of meter.tiles) {
      if (!tile.series[quantity] || tile.start > from || tile.stop < to) continue;
      const enough = tile.per <= Math.max(perPixel, 1);
      const bestEnough = best && best.per <= Math.max(perPixel, 1);
      if (!best || (enough ? !bestEnough || tile.per > best.per : !bestEnough && tile.per < best.per)) best = tile;
    }
    if (!best) continue;
    const last = found[found.length - 1];
    if (last && last.tile === best) last.to = to; else found.push({ tile: best, from, to });
  }
  return found;
}

/** Each bucket in [a, b): calls use(begin, end, low, mean, high, samples held in that part). */
function eachBucket(meter, quantity, a, b, perPixel, use) {
  for (const { tile, from, to } of pieces(meter, quantity, a, b, perPixel)) {
    const { low, mean, high, held } = tile.series[quantity];
    const first = Math.max(0, Math.floor((from - tile.start) / tile.per));
    const last = Math.min(tile.buckets, Math.ceil((to - tile.start) / tile.per));
    for (let k = first; k < last; k++) {
      const samples = held(k);
      if (!samples) continue;
      const start = tile.start + k * tile.per, stop = Math.min(start + tile.per, tile.stop);
      const begin = Math.max(start, from), end = Math.min(stop, to);
      use(begin, end, low(k), mean(k), high(k), samples * (end - begin) / (stop - start), tile.per);
    }
  }
}

/** A quantity thinned to pixel columns of the samples [a, b). */
function columns(meter, quantity, a, b, width) {
  const low = new Float32Array(width).fill(Infinity), high = new Float32Array(width).fill(-Infinity);
  const sum = new Float64Array(width), weight = new Float64Array(width);
  const perPixel = (b - a) / width;
  let coarsest = 0;
  eachBucket(meter, quantity, a, b, perPixel, (begin, end, least, mean, most, samples, per) => {
    coarsest = Math.max(coarsest, per);
    const first = Math.max(0, Math.floor((begin - a) / perPixel));
    const last = Math.min(width - 1, Math.max(first, Math.ceil((end - a) / perPixel) - 1));
    for (let c = first; c <= last; c++) {
      if (least < low[c]) low[c] = least;
      if (most > high[c]) high[c] = most;
      const share = last === first ? samples
        : samples * Math.max(0, Math.min(end, a + (c + 1) * perPixel) - Math.max(begin, a + c * perPixel)) / (end - begin);
      sum[c] += mean * share;
      weight[c] += share;
    }
  });
  return { low, high, sum, weight, perPixel, coarsest };
}

/** Mean, extremes and coverage of a quantity over samples [a, b); `exact` tells whether no bucket was cut. */
function statistics(meter, quantity, a, b) {
  let sum = 0, weight = 0, low = Infinity, high = -Infinity, exact = true, coarsest = 1;
  const from = Math.max(a, 0), to = Math.min(b, meter.length);
  eachBucket(meter, quantity, from, to, 0, (begin, end, least, mean, most, samples, per) => {
    if (least < low) low = least;
    if (most > high) high = most;
    sum += mean * samples;
    weight += samples;
    if (per > 1 && end - begin !== per && end !== meter.length) exact = false;
    if (per > coarsest) coarsest = per;
  });
  for (const steps of meter.steps) {
    if (weight || steps.quantity !== quantity || steps.check) continue;
    const part = stepStatistics(steps, from, to);
    ({ sum, weight, low, high } = part);
  }
  return weight ? { mean: sum / weight, low, high, coverage: weight / (b - a), exact, coarsest } : null;
}

// ---------------------------------------------------------------------------------------------------------- readings

function openSteps(packed) { return { ...packed, at: array(packed.at), value: array(packed.value) }; }

/** The last point at or before an instant (in the trace's own ns), −1 before the first. */
function pointBefore(steps, at) {
  let low = -1, high = steps.at.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (steps.at[middle] <= at) low = middle; else high = middle - 1;
  }
  return low;
}
function valueAt(steps, at) {
  const k = pointBefore(steps, at);
  if (k < 0 || k + 1 >= steps.at.length) return NaN;
  if (steps.kind === "held") return steps.value[k];
  return steps.value[k] + (steps.value[k + 1] - steps.value[k]) * (at - steps.at[k]) / (steps.at[k + 1] - steps.at[k]);
}
function stepStatistics(steps, a, b) {
  let sum = 0, weight = 0, low = Infinity, high = -Infinity;
  for (let k = Math.max(0, pointBefore(steps, a)); k + 1 < steps.at.length && steps.at[k] < b; k++) {
    const begin = Math.max(a, steps.at[k]), end = Math.min(b, steps.at[k + 1]);
    if (end <= begin) continue;
    const left = steps.kind === "held" ? steps.value[k] : valueAt(steps, begin);
    const right = steps.kind === "held" ? steps.value[k]
      : steps.value[k] + (steps.value[k + 1] - steps.value[k]) * (end - steps.at[k]) / (steps.at[k + 1] - steps.at[k]);
    sum += (left + right) / 2 * (end - begin);
    weight += end - begin;
    low = Math.min(low, left, right);
    high = Math.max(high, left, right);
  }
  return { sum, weight, low, high };
}

// -------------------------------------------------------------------------------------------------------------- axes

function niceStep(span, most) {
  const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
}
function ticks(from, to, most) {
  const step = niceStep(to - from || 1, most), found = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9 && found.length < 100; k++) found.push(k * step);
  return { step, at: found };
}
/** Labels of a time axis: the instants, or what comes after a base where all instants begin alike. */
function timeTicks(from, to, most) {
  const { step, at } = ticks(from, to, most);
  const far = Math.max(Math.abs(from), Math.abs(to)) > 2e4 * step;
  const grid = 10 ** Math.ceil(Math.log10(to - from) + 1e-9);
  const base = far ? Math.floor(from / grid) * grid : 0;
  const largest = Math.max(Math.abs(from - base), Math.abs(to - base));
  const [factor, prefix] = PREFIXES.slice(3).find(([least]) => largest >= least) ?? [1e-9, "n"];
  const decimals = Math.max(0, -Math.floor(Math.log10(step / factor) + 1e-9));
  return {
    base: far ? `${base.toFixed(Math.max(0, -Math.round(Math.log10(grid))))} s +` : "",
    ticks: at.map((t) => [t, `${((t - base) / factor).toFixed(decimals)} ${prefix}s`.replace("-", "−")]),
  };
}

// ----------------------------------------------------------------------------------------------------------- drawing

const STRIP = 17, LANE = 17, AXIS = 26, GAP = 8, RIGHT = 14;
const SPAN_WORDS = { window: "window", warmup: "warm-up", idle_before: "idle", idle_after: "idle" };
const SPAN_COLOURS = { window: "--window", warmup: "--warm-up", idle_before: "--idle", idle_after: "--idle" };
const VERDICT_COLOURS = { invalid: "--invalid", degraded: "--degraded", valid: "--muted" };

const shown = { power: true, current: false, voltage: false, logic: true, stretches: true, findings: true, marks: true, zero: false };
for (const name of ["current", "voltage"]) shown[name] = data.channels.includes(name);
shown.power = data.channels.includes("power") || data.channels.length === 0;

class Plot {
  constructor(section, names) {
    this.section = section;
    this.meters = data.meters.filter((meter) => names.includes(meter.name)).map(openMeter);
    this.main = section.querySelector("canvas.main");
    this.map = section.querySelector("canvas.map");
    this.pointerText = section.querySelector(".pointer");
    this.measuredText = section.querySelector(".measured");
    this.begin = Math.min(...this.meters.map((meter) => meter.toTime(0)));
    this.end = Math.max(...this.meters.map((meter) => meter.toTime(Math.max(meter.length, meter.expectedEnd ?? 0))));
    this.least = Math.min(...this.meters.map((meter) => meter.dt)) * 8;
    this.view = [this.begin, this.end];
    this.pointer = null;
    this.selection = null;
    this.pending = false;
    this.toggles();
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(section);
  }

  /** What is drawn of each meter, top to bottom. */
  rows(meter) {
    const rows = [];
    if (data.meters.length > 1) rows.push({ kind: "title", height: 20 });
    if (shown.stretches && meter.spans.length) rows.push({ kind: "stretches", height: STRIP + 2 });
    if (shown.findings) for (const notes of meter.notes) rows.push({ kind: "notes", notes, height: LANE });
    const tall = this.meters.length > 1 ? 190 : 270;
    for (const quantity of meter.quantities) {
      if (shown[quantity]) rows.push({ kind: "trace", quantity, height: quantity === "power" || meter.quantities.length === 1 ? tall : 105 });
    }
    if (shown.logic) for (const line of meter.lines) rows.push({ kind: "line", line, height: LANE + 3 });
    return rows;
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  draw() {
    const style = getComputedStyle(root);
    this.colour = (name) => style.getPropertyValue(name).trim();
    const width = Math.max(200, this.section.clientWidth - parseFloat(getComputedStyle(this.section).paddingLeft) * 2);
    this.left = width < 560 ? 58 : 104;
    this.width = Math.max(50, Math.floor(width - this.left - RIGHT));
    const all = this.meters.map((meter) => ({ meter, rows: this.rows(meter) }));
    const height = all.reduce((sum, { rows }) => sum + rows.reduce((part, row) => part + row.height + GAP, 0), AXIS + 4);
    const g = this.canvas(this.main, width, height);
    let y = 2;
    this.lines = [];
    for (const { meter, rows } of all) {
      const top = y;
      const plots = [];
      for (const row of rows) {
        if (row.kind === "trace") plots.push([y, row.height]);
        row.y = y;
        y += row.height + GAP;
      }
      this.backdrop(g, meter, plots);
      for (const row of rows) this[row.kind](g, meter, row);
      if (shown.marks) this.markLines(g, meter, top, y - GAP);
    }
    this.axis(g, y - GAP, height);
    this.overlay(g, y - GAP);
    this.drawMap(width);
    this.writePointer();
    this.writeMeasured();
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  }

  canvas(element, width, height) {
    const ratio = devicePixelRatio || 1;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    element.style.height = `${height}px`;
    const g = element.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.colour("--paper");
    g.fillRect(0, 0, width, height);
    g.font = `11px ${this.colour("--sans")}`;
    g.textBaseline = "middle";
    return g;
  }

  x(time) { return this.left + (time - this.view[0]) / (this.view[1] - this.view[0]) * this.width; }
  time(x) { return this.view[0] + (x - this.left) / this.width * (this.view[1] - this.view[0]); }

  /** The part of a range of samples that is in view, in pixels at least `least` wide; null if none is. */
  pixels(meter, begin, end, least = 1) {
    let from = this.x(meter.toTime(begin)), to = this.x(meter.toTime(end));
    if (to < this.left - 1 || from > this.left + this.width + 1) return null;
    if (to - from < least) { const middle = (from + to) / 2; from = middle - least / 2; to = middle + least / 2; }
    return [Math.max(from, this.left), Math.min(to, this.left + this.width)];
  }

  /** Behind the traces: stretches, gaps, what was never recorded, the instants of findings. */
  backdrop(g, meter, plots) {
    const hatch = this.hatch(g);
    for (const [top, height] of plots) {
      g.fillStyle = this.colour("--band");
      g.fillRect(this.left, top, this.width, height);
      if (shown.stretches) for (const span of meter.spans) {
        const at = this.pixels(meter, span.begin, span.end, 0);
        if (!at) continue;
        g.fillStyle = this.colour(SPAN_COLOURS[span.name] ?? "--band");
        g.fillRect(at[0], top, at[1] - at[0], height);
      }
      if (shown.findings) for (const notes of meter.notes) for (const note of notes.places) {
        const at = notes.wide ? null : this.pixels(meter, note[0], note[1], 2);
        if (!at) continue;
        g.fillStyle = this.colour(VERDICT_COLOURS[notes.verdict]);
        g.fillRect(at[0], top, at[1] - at[0], height);
      }
      for (let k = 0; k < meter.gaps.start.length; k++) {
        const at = this.pixels(meter, meter.gaps.start[k], meter.gaps.stop[k], 2);
        if (!at) continue;
        g.fillStyle = this.colour("--paper");
        g.fillRect(at[0], top, at[1] - at[0], height);
        g.fillStyle = hatch;
        g.fillRect(at[0], top, at[1] - at[0], height);
        if (height > 150) this.label(g, at, top + height / 2, `${si((meter.gaps.stop[k] - meter.gaps.start[k]) * meter.dt, "s", 3)} missing`);
      }
      const beyond = [[-Infinity, meter.toTime(0)], [meter.toTime(meter.length), Infinity]];
      for (const [from, to] of beyond) {
        const left = Math.max(this.left, this.x(Math.max(from, this.view[0]))), right = Math.min(this.left + this.width, this.x(Math.min(to, this.view[1])));
        if (right <= left) continue;
        g.fillStyle = this.colour("--paper");
        g.fillRect(left, top, right - left, height);
        if (to === Infinity && meter.expectedEnd) {
          g.fillStyle = hatch;
          g.fillRect(left, top, right - left, height);
          if (height > 150) this.label(g, [left, right], top + height / 2, `the trace ended ${si((meter.expectedEnd - meter.length) * meter.dt, "s", 3)} early`);
        }
      }
      g.strokeStyle = this.colour("--grid");
      g.strokeRect(this.left + 0.5, top + 0.5, this.width - 1, height - 1);
    }
  }

  hatch(g) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const h = tile.getContext("2d");
    h.strokeStyle = this.colour("--hatch");
    h.lineWidth = 1.1;
    h.beginPath();
    for (const offset of [-8, 0, 8]) { h.moveTo(offset, 8); h.lineTo(offset + 8, 0); }
    h.stroke();
    return g.createPattern(tile, "repeat");
  }

  /** A text on a plate in the middle of a stretch, if it has the room. */
  label(g, [from, to], y, text) {
    const width = g.measureText(text).width + 10;
    if (to - from < width + 4) return;
    g.fillStyle = this.colour("--paper");
    g.fillRect((from + to - width) / 2, y - 9, width, 18);
    g.fillStyle = this.colour("--invalid");
    g.textAlign = "center";
    g.fillText(text, (from + to) / 2, y + 0.5);
  }

  title(g, meter, row) {
    g.fillStyle = this.colour("--ink");
    g.textAlign = "left";
    g.font = `bold 12px ${this.colour("--sans")}`;
    g.fillText(`${meter.name}`, this.left, row.y + row.height / 2);
    const after = this.left + g.measureText(meter.name).width + 8;
    g.font = `11px ${this.colour("--sans")}`;
    g.fillStyle = this.colour("--muted");
    g.fillText(meter.text, after, row.y + row.height / 2);
  }

  stretches(g, meter, row) {
    this.rowName(g, row, "stretches");
    for (const span of meter.spans) {
      const at = this.pixels(meter, span.begin, span.end);
      if (!at) continue;
      g.fillStyle = this.colour(SPAN_COLOURS[span.name] ?? "--grid");
      g.fillRect(at[0], row.y, at[1] - at[0], row.height);
      g.fillStyle = this.colour(span.complete ? "--muted" : "--invalid");
      g.fillRect(at[0], row.y, 1, row.height);
      const word = SPAN_WORDS[span.name] ?? span.name;
      const length = span.complete ? si((span.end - span.begin) * meter.dt, "s", 4) : "one edge was not seen";
      const text = [`${word} ${length}${span.power === null ? "" : `, ${si(span.power, "W", 4)}`}`, `${word} ${length}`, word]
        .find((item) => g.measureText(item).width < at[1] - at[0] - 6);
      if (!text) continue;
      g.fillStyle = this.colour(span.complete ? "--ink" : "--invalid");
      g.textAlign = "left";
      g.fillText(text, at[0] + 5, row.y + row.height / 2 + 0.5);
    }
  }

  notes(g, meter, row) {
    const colour = this.colour(VERDICT_COLOURS[row.notes.verdict]), middle = row.y + row.height / 2;
    g.fillStyle = this.colour("--band");
    g.fillRect(this.left, row.y, this.width, row.height);
    const seen = row.notes.places.map(([begin, end]) => this.pixels(meter, begin, end, 3)).filter(Boolean);
    const width = g.measureText(row.notes.text).width;
    g.fillStyle = colour;
    for (const [from, to] of seen) g.fillRect(from, row.y + 2, to - from, row.height - 4);
    g.textAlign = "left";
    if (!seen.length) {
      const before = row.notes.places.length && meter.toTime(row.notes.places[0][0]) < this.view[0];
      g.textAlign = before ? "left" : "right";
      g.fillText(before ? `◀ ${row.notes.text}` : `${row.notes.text} ▶`, before ? this.left + 4 : this.left + this.width - 4, middle);
      return;
    }
    const roomy = seen.find(([from, to]) => to - from > width + 8);
    if (roomy) { g.fillStyle = this.colour("--paper"); g.fillText(row.notes.text, roomy[0] + 5, middle + 0.5); return; }
    // Beside a bar where nothing else stands, else in the margin.
    for (const [, to] of seen) {
      if (to + width + 8 < this.left + this.width && !seen.some(([a, b]) => b > to + 1 && a < to + width + 8)) {
        g.fillText(row.notes.text, to + 5, middle + 0.5);
        return;
      }
    }
    this.rowName(g, row, row.notes.text, colour);
  }

  rowName(g, row, text, colour) {
    g.fillStyle = colour ?? this.colour("--muted");
    g.textAlign = "right";
    g.fillText(text, this.left - 6, row.y + row.height / 2 + 0.5, this.left - 8);
  }

  /** One quantity over time. */
  trace(g, meter, row) {
    const { quantity, y, height } = row, unit = UNITS[quantity];
    const a = meter.toSample(this.view[0]), b = meter.toSample(this.view[1]);
    const drawn = meter.tiles.some((tile) => tile.series[quantity]) ? columns(meter, quantity, a, b, this.width) : null;
    const steps = meter.steps.filter((item) => item.quantity === quantity);
    let low = Infinity, high = -Infinity;
    if (drawn) for (let c = 0; c < this.width; c++) if (drawn.weight[c]) { low = Math.min(low, drawn.low[c]); high = Math.max(high, drawn.high[c]); }
    for (const item of steps) { const part = stepStatistics(item, a, b); low = Math.min(low, part.low); high = Math.max(high, part.high); }
    const empty = !(low <= high);
    if (empty) { low = 0; high = 1; }
    if (shown.zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
    const margin = (high - low || Math.abs(high) * 0.01 || 1e-9) * 0.07;
    low -= margin; high += margin;
    const toY = (value) => y + height - (value - low) / (high - low) * height;
    if (!empty) this.valueAxis(g, row, low, high, toY, unit);
    else this.rowName(g, { y, height: 14 }, quantity);
    if (empty) { this.label(g, [this.left, this.left + this.width], y + height / 2, `no ${quantity} was recorded here`); return; }
    g.save();
    g.beginPath();
    g.rect(this.left, y, this.width, height);
    g.clip();
    const colour = this.colour(COLOURS[quantity]);
    if (drawn) {
      if (drawn.perPixel < 0.34 && drawn.coarsest <= 1) this.samples(g, meter, quantity, a, b, toY, colour);
      else this.envelope(g, drawn, toY, colour);
      this.atLimit(g, meter, row, a, b);
    }
    steps.forEach((item, number) => this.staircase(g, meter, item, toY, item.check ? this.colour("--muted") : colour, number));
    g.restore();
    if (steps.length > 1) this.names(g, steps, row, colour);
    if (drawn && drawn.coarsest > Math.max(1, drawn.perPixel)) {
      g.fillStyle = this.colour("--muted");
      g.textAlign = "right";
      if (height > 150) g.fillText(`one step is ${count(drawn.coarsest)} samples; --from and --to show more`, this.left + this.width - 5, y + height - 9);
    }
  }

  valueAxis(g, row, low, high, toY, unit) {
    const { step, at } = ticks(low, high, Math.max(3, Math.floor(row.height / 40)));
    const [factor, prefix] = PREFIXES.find(([least]) => Math.max(Math.abs(low), Math.abs(high)) * 0.999 >= least) ?? [1, ""];
    const digits = Math.max(0, -Math.floor(Math.log10(step / factor) + 1e-9));
    g.textAlign = "right";
    for (const value of at) {
      const y = Math.round(toY(value)) + 0.5;
      g.strokeStyle = this.colour("--grid");
      g.beginPath(); g.moveTo(this.left, y); g.lineTo(this.left + this.width, y); g.stroke();
      if (y < row.y + 17) continue;
      g.fillStyle = this.colour("--muted");
      g.fillText((value / factor).toFixed(digits).replace("-", "−"), this.left - 6, y);
    }
    g.fillStyle = this.colour(COLOURS[row.quantity]);
    g.font = `bold 11px ${this.colour("--sans")}`;
    g.fillText(`${row.quantity} ${prefix}${unit}`, this.left - 6, row.y + 7, this.left - 8);
    g.font = `11px ${this.colour("--sans")}`;
  }

  envelope(g, drawn, toY, colour) {
    g.fillStyle = colour;
    g.globalAlpha = 0.35;
    for (let c = 0; c < this.width; c++) {
      if (!drawn.weight[c]) continue;
      const top = toY(drawn.high[c]), bottom = toY(drawn.low[c]);
      g.fillRect(this.left + c, top - 0.5, 1, Math.max(bottom - top + 1, 1));
    }
    g.globalAlpha = 1;
    g.strokeStyle = colour;
    g.lineWidth = 1.2;
    g.beginPath();
    let down = false;
    for (let c = 0; c < this.width; c++) {
      if (!drawn.weight[c]) { down = false; continue; }
      const x = this.left + c + 0.5, y = toY(drawn.sum[c] / drawn.weight[c]);
      if (down) g.lineTo(x, y); else { g.moveTo(x - 0.5, y); g.lineTo(x + 0.5, y); }
      down = true;
    }
    g.stroke();
    g.lineWidth = 1;
  }

  /** Single samples: each is a mean over its own stretch of time, so each is a tread. */
  samples(g, meter, quantity, a, b, toY, colour) {
    g.strokeStyle = g.fillStyle = colour;
    g.lineWidth = 1.4;
    g.beginPath();
    let last = NaN;
    const wide = this.width / (b - a), points = [];
    eachBucket(meter, quantity, a, b, 0, (begin, end, value) => {
      const from = this.x(meter.toTime(begin)), to = this.x(meter.toTime(end)), y = toY(value);
      if (Math.abs(from - last) < 0.01) g.lineTo(from, y); else g.moveTo(from, y);
      g.lineTo(to, y);
      last = to;
      if (wide > 9) points.push([(from + to) / 2, y]);
    });
    g.stroke();
    for (const [x, y] of points) { g.beginPath(); g.arc(x, y, 2.3, 0, 7); g.fill(); }
    g.lineWidth = 1;
  }

  staircase(g, meter, steps, toY, colour, number) {
    const a = meter.toSample(this.view[0]), b = meter.toSample(this.view[1]);
    const first = Math.max(0, pointBefore(steps, a)), last = Math.min(steps.at.length - 1, pointBefore(steps, b) + 1);
    g.strokeStyle = g.fillStyle = colour;
    g.lineWidth = number ? 1 : 1.4;
    g.setLineDash(steps.check ? [4, 3] : []);
    g.beginPath();
    for (let k = first; k <= last; k++) {
      const x = this.x(meter.toTime(steps.at[k])), y = toY(steps.value[k]);
      if (steps.kind === "held") {
        if (k === last) break;
        if (k === first) g.moveTo(x, y); else g.lineTo(x, y);
        g.lineTo(this.x(meter.toTime(steps.at[k + 1])), y);
      } else if (k === first) g.moveTo(x, y); else g.lineTo(x, y);
    }
    g.stroke();
    g.setLineDash([]);
    g.lineWidth = 1;
    if (last - first > this.width / 5) return;
    for (let k = first; k <= last; k++) {
      if (Number.isNaN(steps.value[k])) continue;
      g.beginPath(); g.arc(this.x(meter.toTime(steps.at[k])), toY(steps.value[k]), 2.2, 0, 7); g.fill();
    }
  }

  names(g, steps, row, colour) {
    g.textAlign = "left";
    let x = this.left + 6;
    for (const item of steps) {
      const text = `${item.check ? "╌" : "─"} ${item.name}${item.check ? " (checks the other)" : ""}`;
      g.fillStyle = item.check ? this.colour("--muted") : colour;
      g.fillText(text, x, row.y + 9);
      x += g.measureText(text).width + 14;
    }
  }

  /** A red edge where a channel reaches the reading at which it was seen at full scale. */
  atLimit(g, meter, row, a, b) {
    g.fillStyle = this.colour("--invalid");
    for (const [channel, limit] of Object.entries(meter.limits)) {
      if (row.quantity !== channel && row.quantity !== "power") continue;
      const least = limit * (1 - 1e-6);
      eachBucket(meter, channel, a, b, (b - a) / this.width, (begin, end, low, mean, high) => {
        if (high < least && low > -least) return;
        const from = this.x(meter.toTime(begin)), to = this.x(meter.toTime(end));
        g.fillRect(from, row.y, Math.max(to - from, 1), 5);
      });
    }
  }

  /** A logic line: high, low, unknown where samples are missing, a block where it changes too fast to tell. */
  line(g, meter, row) {
    const { line, y, height } = row, top = y + 2.5, bottom = y + height - 2.5;
    const missing = meter.noWindow && line.meaning === "window" && !line.start.length;
    this.rowName(g, row, line.meaning ? `${line.name} ${line.meaning}` : line.name, missing ? this.colour("--invalid") : null);
    g.fillStyle = this.colour("--band");
    g.fillRect(this.left, y, this.width, height);
    if (line.first === null) return;
    g.strokeStyle = g.fillStyle = this.colour(missing ? "--invalid" : "--ink");
    const end = Math.min(this.x(meter.toTime(meter.length)), this.left + this.width);
    let x = Math.max(this.x(meter.toTime(0)), this.left), level = line.first;
    g.beginPath();
    g.moveTo(x, level ? top : bottom);
    for (let k = 0; k < line.start.length; k++) {
      const from = this.x(meter.toTime(line.start[k])), to = this.x(meter.toTime(line.stop[k]));
      if (to < this.left) { level = line.level[k]; g.moveTo(x, level ? top : bottom); continue; }
      if (from > end) break;
      const certain = line.pieces[k] === 1 && line.stop[k] - line.start[k] <= 1;
      const at = certain ? (from + to) / 2 : Math.max(from, x);
      g.lineTo(at, level ? top : bottom);
      level = line.level[k];
      if (certain) { g.lineTo(at, level ? top : bottom); x = at; continue; }
      g.stroke();
      g.globalAlpha = 0.35;
      g.fillRect(at, top, Math.max(Math.min(to, end) - at, 1.5), bottom - top);
      g.globalAlpha = 1;
      g.beginPath();
      x = Math.min(Math.max(to, at), end);
      g.moveTo(x, level ? top : bottom);
    }
    g.lineTo(end, level ? top : bottom);
    g.stroke();
    if (!line.start.length) {
      g.textAlign = "left";
      g.fillText(`no edges: the line stayed ${line.first ? "high" : "low"}`, this.left + 8, y + height / 2 - (line.first ? -1 : 1));
    }
  }

  markLines(g, meter, top, bottom) {
    const bars = meter.marks.map((mark) => [mark, this.x(meter.toTime(mark.at)), Math.max(mark.u * meter.dt, meter.bound)])
      .filter(([, x]) => x >= this.left - 1 && x <= this.left + this.width + 1);
    if (bars.length > 200) return;
    for (const [mark, x, open] of bars) {
      const wide = open / (this.view[1] - this.view[0]) * this.width;
      g.fillStyle = this.colour(mark.u > 1 ? "--degraded" : "--ink");
      if (wide > 1.5) {
        g.globalAlpha = 0.16;
        const from = Math.max(x - wide, this.left), to = Math.min(x + wide, this.left + this.width);
        g.fillRect(from, top, to - from, bottom - top);
        g.globalAlpha = 1;
      }
      if (mark.name.startsWith("idle")) continue;
      g.strokeStyle = g.fillStyle;
      g.globalAlpha = 0.75;
      g.setLineDash([4, 3]);
      g.beginPath(); g.moveTo(x, top); g.lineTo(x, bottom); g.stroke();
      g.setLineDash([]);
      g.globalAlpha = 1;
    }
  }

  axis(g, y, height) {
    const { base, ticks: labels } = timeTicks(this.view[0], this.view[1], Math.max(2, Math.floor(this.width / 95)));
    g.fillStyle = this.colour("--muted");
    g.strokeStyle = this.colour("--grid");
    for (const [at, text] of labels) {
      const x = this.x(at);
      g.beginPath(); g.moveTo(x, y); g.lineTo(x, y + 5); g.stroke();
      const half = g.measureText(text).width / 2;
      g.textAlign = "center";
      g.fillText(text, Math.min(Math.max(x, this.left + half), this.left + this.width - half), y + 15);
    }
    if (base) {
      g.textAlign = "right";
      g.fillText(base, this.left - 6, y + 15, this.left - 8);
    }
    this.bottom = y;
  }

  overlay(g, bottom) {
    if (this.selection) {
      const [from, to] = this.selection.map((time) => this.x(time)).sort((p, q) => p - q);
      const left = Math.max(from, this.left), right = Math.min(to, this.left + this.width);
      if (right > left) {
        g.fillStyle = this.colour("--link");
        g.globalAlpha = 0.16;
        g.fillRect(left, 0, right - left, bottom);
        g.globalAlpha = 1;
        g.fillRect(left, 0, 1.5, bottom);
        g.fillRect(right - 1.5, 0, 1.5, bottom);
      }
    }
    if (this.pointer !== null && this.pointer >= this.left && this.pointer <= this.left + this.width) {
      g.strokeStyle = this.colour("--muted");
      g.beginPath(); g.moveTo(this.pointer, 0); g.lineTo(this.pointer, bottom); g.stroke();
    }
  }

  drawMap(width) {
    const height = 34 * this.meters.length + 6;
    const view = this.view;
    const g = this.canvas(this.map, width, height);
    this.view = [this.begin, this.end];
    this.meters.forEach((meter, number) => {
      const y = 3 + 34 * number;
      const quantity = meter.quantities[0];
      this.backdrop(g, meter, [[y, 31]]);
      const a = meter.toSample(this.begin), b = meter.toSample(this.end);
      const drawn = columns(meter, quantity, a, b, this.width);
      let low = Infinity, high = -Infinity;
      for (let c = 0; c < this.width; c++) if (drawn.weight[c]) { low = Math.min(low, drawn.low[c]); high = Math.max(high, drawn.high[c]); }
      const steps = meter.steps.find((item) => item.quantity === quantity && !item.check);
      if (steps) { const part = stepStatistics(steps, a, b); low = Math.min(low, part.low); high = Math.max(high, part.high); }
      const toY = (value) => y + 28 - (value - low) / (high - low || 1) * 25;
      if (steps) this.staircase(g, meter, steps, toY, this.colour(COLOURS[quantity]), 1);
      else this.envelope(g, drawn, toY, this.colour(COLOURS[quantity]));
    });
    const [from, to] = view.map((time) => this.x(time));
    this.view = view;
    g.fillStyle = this.colour("--page");
    g.globalAlpha = 0.5;
    g.fillRect(this.left, 0, from - this.left, height);
    g.fillRect(to, 0, this.left + this.width - to, height);
    g.globalAlpha = 1;
    g.strokeStyle = this.colour("--link");
    g.lineWidth = 2;
    const left = Math.min(from, this.left + this.width - 5);
    g.strokeRect(left + 1, 1, Math.max(to - from - 2, 3), height - 2);
    g.lineWidth = 1;
    g.fillStyle = this.colour("--muted");
    g.textAlign = "right";
    g.fillText("whole trace", this.left - 6, height / 2, this.left - 8);
  }

  // -------------------------------------------------------------------------------------------------------- in words

  writePointer() {
    const span = this.view[1] - this.view[0];
    if (this.pointer === null) {
      this.pointerText.textContent = `in view: ${instant(this.view[0], span)} … ${instant(this.view[1], span)} (${si(span, "s", 4)})`;
      return;
    }
    const from = this.time(this.pointer - 0.5), to = this.time(this.pointer + 0.5), at = this.time(this.pointer);
    const parts = [`t = ${instant(at, span)}`];
    for (const meter of this.meters) {
      const name = this.meters.length > 1 ? `${meter.name}: ` : "";
      const here = meter.toSample(at);
      if (here < 0 || here >= meter.length) { parts.push(`${name}not recorded`); continue; }
      const told = [];
      for (const quantity of meter.quantities) {
        const a = meter.toSample(from), b = meter.toSample(to);
        const steps = meter.steps.find((item) => item.quantity === quantity && !item.check);
        if (steps) { told.push(`${quantity} ${si(valueAt(steps, here), UNITS[quantity])}`); continue; }
        const whole = b - a < 1 ? [Math.floor(here), Math.floor(here) + 1] : [a, b];
        const part = statistics(meter, quantity, whole[0], whole[1]);
        if (!part) { told.push(`${quantity}: samples missing`); continue; }
        const samples = Math.max(part.coarsest, whole[1] - whole[0]);
        told.push(samples > 1.5
          ? `${quantity} ${si(part.low, "", 4)}… ${si(part.mean, "", 4)}… ${si(part.high, UNITS[quantity], 4)} (least… mean… largest of ${count(samples)})`
          : `${quantity} ${si(part.mean, UNITS[quantity], 5)} (sample ${count(Math.floor(here))})`);
      }
      for (const span_ of meter.spans) if (here >= span_.begin && here < span_.end) told.push(SPAN_WORDS[span_.name] ?? span_.name);
      parts.push(name + told.join(" · "));
    }
    this.pointerText.textContent = parts.join("  ·  ");
  }

  writeMeasured() {
    if (!this.selection) { this.measuredText.textContent = ""; return; }
    const [from, to] = [...this.selection].sort((p, q) => p - q);
    if (to <= from) return;
    const parts = [`measured ${instant(from, to - from)} … ${instant(to, to - from)}: ${si(to - from, "s", 5)}`];
    for (const meter of this.meters) {
      const part = statistics(meter, "power", meter.toSample(from), meter.toSample(to));
      const name = this.meters.length > 1 ? `${meter.name}: ` : "";
      if (!part) { parts.push(`${name}no power there`); continue; }
      const about = part.exact ? "" : "≈ ";
      let text = `${name}mean ${about}${si(part.mean, "W", 5)}, energy ${about}${si(part.mean * part.coverage * (to - from), "J", 5)}`;
      text += `, least ${si(part.low, "W", 4)}, largest ${si(part.high, "W", 4)}`;
      if (part.coverage < 1 - 1e-9) text += `, only ${(100 * part.coverage).toPrecision(3)} % of it was seen`;
      if (!part.exact) text += ` (edges cut steps of ${count(part.coarsest)} samples)`;
      parts.push(text);
    }
    this.measuredText.textContent = parts.join("  ·  ");
  }

  // ------------------------------------------------------------------------------------------------------ being used

  show(from, to, quietly = false) {
    const span = Math.min(Math.max(to - from, this.least), this.end - this.begin);
    let begin = (from + to) / 2 - span / 2;
    begin = Math.min(Math.max(begin, this.begin), this.end - span);
    this.view = [begin, begin + span];
    this.redraw();
    if (!quietly) this.remember();
  }
  zoom(factor, at = (this.view[0] + this.view[1]) / 2) {
    this.show(at - (at - this.view[0]) * factor, at + (this.view[1] - at) * factor);
  }
  pan(share) {
    const by = share * (this.view[1] - this.view[0]);
    this.show(this.view[0] + by, this.view[1] + by);
  }
  remember() {
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      const number = plots.indexOf(this), whole = this.view[0] <= this.begin && this.view[1] >= this.end;
      const hash = whole ? "#" : `#from=${this.view[0].toFixed(9)}&to=${this.view[1].toFixed(9)}${number ? `&group=${number}` : ""}`;
      try { history.replaceState(null, "", hash); } catch { /* a sandboxed frame has no history */ }
    }, 250);
  }
  window() {
    const found = this.meters.flatMap((meter) => meter.spans.filter((span) => span.name === "window")
      .map((span) => [meter.toTime(span.begin), meter.toTime(span.end)]))[0];
    if (!found) return;
    const margin = 0.04 * (found[1] - found[0]);
    this.show(found[0] - margin, found[1] + margin);
  }
  act(what) {
    const acts = { whole: () => this.show(this.begin, this.end), in: () => this.zoom(0.5), out: () => this.zoom(2), window: () => this.window() };
    acts[what]?.();
  }

  toggles() {
    const place = this.section.querySelector(".toggles");
    const has = (name) => this.meters.some((meter) => meter.quantities.includes(name));
    const words = { power: "power", current: "current", voltage: "voltage", logic: "logic lines", stretches: "stretches", findings: "findings", marks: "marks", zero: "from zero" };
    const offered = Object.keys(words).filter((name) => (UNITS[name] ? has(name)
      : name === "logic" ? this.meters.some((meter) => meter.lines.length)
      : name === "stretches" || name === "marks" ? this.meters.some((meter) => meter.spans.length)
      : name === "findings" ? this.meters.some((meter) => meter.notes.length) : true));
    for (const name of offered) {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.dataset.toggle = name;
      box.checked = shown[name];
      box.addEventListener("change", () => {
        shown[name] = box.checked;
        for (const other of document.querySelectorAll(`input[data-toggle="${name}"]`)) other.checked = box.checked;
        plots.forEach((plot) => plot.redraw());
      });
      label.append(box, words[name]);
      place.append(label, " ");
    }
  }

  listen() {
    const held = new Map();
    let pinch = null, selecting = false;
    const position = (event) => event.clientX - this.main.getBoundingClientRect().left;
    this.main.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) { this.pan(event.deltaX / this.width); return; }
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0022)))), this.time(position(event)));
    }, { passive: false });
    this.main.addEventListener("pointerdown", (event) => {
      this.main.setPointerCapture(event.pointerId);
      held.set(event.pointerId, position(event));
      selecting = event.shiftKey && held.size === 1;
      if (selecting) this.selection = [this.time(position(event)), this.time(position(event))];
      this.main.classList.toggle("panning", !selecting);
      if (held.size === 2) { const [p, q] = [...held.values()]; pinch = { times: [this.time(p), this.time(q)] }; }
    });
    this.main.addEventListener("pointermove", (event) => {
      const x = position(event), before = held.get(event.pointerId);
      this.pointer = x;
      if (before !== undefined) {
        held.set(event.pointerId, x);
        if (pinch && held.size === 2) {
          const [p, q] = [...held.values()], [s, t] = pinch.times;
          if (Math.abs(q - p) > 8) {
            const scale = (t - s) / (q - p), from = s - (p - this.left) * scale;
            this.show(from, from + scale * this.width);
          }
        } else if (selecting) {
          this.selection[1] = this.time(Math.min(Math.max(x, this.left), this.left + this.width));
        } else {
          this.pan((before - x) / this.width);
        }
      }
      this.redraw();
    });
    const release = (event) => {
      held.delete(event.pointerId);
      if (held.size < 2) pinch = null;
      if (!held.size) { selecting = false; this.main.classList.remove("panning"); }
    };
    this.main.addEventListener("pointerup", release);
    this.main.addEventListener("pointercancel", release);
    this.main.addEventListener("pointerleave", () => { if (!held.size) { this.pointer = null; this.redraw(); } });
    this.main.addEventListener("dblclick", () => this.act("whole"));
    this.main.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const far = event.shiftKey ? 0.5 : 0.1;
      const keys = {
        ArrowLeft: () => this.pan(-far), ArrowRight: () => this.pan(far), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5),
        ArrowUp: () => this.zoom(0.5), ArrowDown: () => this.zoom(2), "-": () => this.zoom(2), Home: () => this.act("whole"),
        0: () => this.act("whole"), w: () => this.window(),
        m: () => { this.selection = [...this.view]; this.redraw(); },
        Escape: () => { this.selection = null; this.redraw(); },
      };
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    const follow = (event) => {
      const x = event.clientX - this.map.getBoundingClientRect().left;
      const at = this.begin + (x - this.left) / this.width * (this.end - this.begin), half = (this.view[1] - this.view[0]) / 2;
      this.show(at - half, at + half);
    };
    this.map.addEventListener("pointerdown", (event) => { this.map.setPointerCapture(event.pointerId); follow(event); });
    this.map.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
    for (const button of this.section.querySelectorAll("button[data-do]")) {
      button.hidden = button.dataset.do === "window" && !this.meters.some((meter) => meter.spans.some((span) => span.name === "window"));
      button.addEventListener("click", () => this.act(button.dataset.do));
    }
  }
}

const plots = [...document.querySelectorAll("section.plot")].map((section, number) => new Plot(section, data.groups[number]));

// ------------------------------------------------------------------------------------------------- places in the URL

function go() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const from = Number(asked.get("from") ?? NaN), to = Number(asked.get("to") ?? NaN);
  const plot = plots[Number(asked.get("group") ?? 0)];
  if (plot && to > from) {
    plot.show(from, to, true);
    if (asked.has("measure")) plot.selection = [from, to];
  }
  else if (plot && data.stretch) plot.show(data.stretch[0], data.stretch[1] ?? plot.end, true);
}
addEventListener("hashchange", go);
for (const button of document.querySelectorAll("button[data-jump]")) {
  button.addEventListener("click", () => {
    const [group, from, to] = button.dataset.jump.split(" ").map(Number);
    const plot = plots[group];
    if (!plot) return;
    plot.show(from, to);
    plot.section.scrollIntoView({ block: "nearest" });
    plot.main.focus({ preventScroll: true });
  });
}
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", () => plots.forEach((plot) => plot.draw()));
}
go();
plots.forEach((plot) => plot.draw());
})();
