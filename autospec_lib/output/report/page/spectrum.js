'use strict';
// The plot of a source's spectra, by plotly.

const CONFIG = {
  displaylogo: false,
  responsive: true,
  doubleClick: 'reset',
  showTips: false,
  modeBarButtons: [['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d', 'toImage']],
};
const LABEL_ROOM = 14;  // pixels from one line's label to the next
const LABEL_SHIFT = 30;  // pixels, the most by which a label stands beside its line
const LABEL_HEIGHT = 58;  // pixels
const BEND = 14;  // pixels in which the stroke of a line reaches its label
const SAME_LINE = 0.0015;  // of the wavelength, 450 km/s: up to this distance a line explains a detected one
const TELLURIC_ROOM = 34;  // pixels
const RESIDUAL = 0.17;  // the share of the plot's height that the strip of residuals has
const GAP = 0.03;  // between it and the spectra
const MOST_SIGMAS = 8;  // at most so many are seen in it
let plotly = null;  // the library, once something has to be drawn

const Spectrum = {
  data: null,
  options: { shown: [], smooth: 0, band: true, sky: true, emission: true, absorption: false, z: null, model: null },
  frame: null,
  lines: [],  // those that are drawn: [label, rest wavelength, kind]
  onRedshift: () => {},
  onRedshiftEnd: () => {},

  /** Draw a source's spectra anew. */
  async draw(data, options) {
    plotly ??= loadScript('report/plotly.min.js');
    await plotly;
    this.data = data;
    this.options = options;
    this.frame = new Frame(data);
    const place = byId('plot');
    const traces = this.traces();
    await Plotly.react(place, traces, this.layout(traces), this.config());
    if (!place.dataset.ready) {
      place.dataset.ready = 'true';
      place.on('plotly_relayout', (change) => {
        if (Object.keys(change).some((key) => /^(xaxis\.|autosize)/.test(key))) this.overlay();
      });
      place.addEventListener('pointerdown', (event) => this.drag(event), true);
    }
    this.overlay();
  },

  config() {
    const picture = { filename: `${Report.name}_${this.data.id}`, scale: 2 };
    return { ...CONFIG, displayModeBar: innerWidth > 720, toImageButtonOptions: picture };
  },

  traces() {
    const { data, options } = this;
    const traces = [];
    data.spectra.filter(({ key }) => options.shown.includes(key)).forEach((one) => {
      const { flux, error } = smoothed(one.flux, one.error, options.smooth);
      const line = colourOf(data, one.key);
      if (options.band && error) traces.push(bandOf(data.wave, flux, error, line));
      traces.push({
        x: data.wave,
        y: flux,
        name: plain(one.key),
        customdata: error ?? undefined,
        hovertemplate: `%{y:.5~g}${error ? ' ± %{customdata:.3~g}' : ''}<extra>${plain(one.key)}</extra>`,
        mode: 'lines',
        line: { color: line, width: 1.3, shape: 'hvh' },
      });
    });
    traces.push(...Narrow.traces(data));
    if (options.model) traces.push(...this.modelled());
    // plotly draws an axis only if something is plotted against it.
    if (this.frame.unit) traces.push({ x: [null], y: [null], xaxis: 'x2', hoverinfo: 'skip' });
    return traces;
  },

  /** The model that is at hand, and what it leaves of its spectrum, in standard deviations if they are known. */
  modelled() {
    const { data, options } = this;
    const one = data.spectra.find(({ key }) => key === data.modelled);
    const { flux, error } = smoothed(one.flux, one.error, options.smooth);
    const model = smoothed(options.model, null, options.smooth).flux;
    const left = flux.map((value, place) => (value - model[place]) / (error ? error[place] : 1));
    return [
      {
        x: data.wave, y: model, name: 'model', mode: 'lines', line: { color: colour('--model'), width: 1.5 },
        hovertemplate: '%{y:.5~g}<extra>model</extra>',
      },
      {
        x: data.wave, y: left, yaxis: 'y2', name: 'residual', mode: 'lines',
        line: { color: colourOf(data, one.key), width: 1, shape: 'hvh' },
        hovertemplate: `%{y:.1f}${error ? ' σ' : ''}<extra>residual</extra>`,
      },
    ];
  },

  layout(traces) {
    const { data } = this;
    const [ink, quiet, rule, paper] = ['--ink', '--quiet', '--rule', '--paper'].map(colour);
    const axis = {
      color: quiet, gridcolor: rule, zeroline: false, linecolor: rule, ticks: 'outside', tickcolor: rule, ticklen: 4,
    };
    const medium = `, ${data.medium || 'air or vacuum is not known'}`;
    const unit = data.unit ? ` (${plain(data.unit)})` : '';
    const residual = traces.find(({ name }) => name === 'residual');
    return {
      uirevision: data.id,
      margin: { l: 66, r: 14, t: 48, b: 46 },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      showlegend: false,
      hovermode: 'x unified',
      hoverlabel: { bgcolor: paper, bordercolor: rule, font: { color: ink } },
      dragmode: byId('plot').layout?.dragmode ?? 'zoom',
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: quiet, activecolor: colour('--accent') },
      xaxis: {
        ...axis, anchor: residual ? 'y2' : 'y', range: ends(data), hoverformat: '.6~g', exponentformat: 'none',
        separatethousands: false,
        title: { text: `Wavelength (${plain(data.wave_unit)}${medium})`, standoff: 8 },
      },
      xaxis2: {
        ...axis, overlaying: 'x', anchor: 'y', matches: 'x', side: 'top', showgrid: false, visible: false,
        tickmode: 'array',
      },
      yaxis: {
        ...axis, domain: [residual ? RESIDUAL + GAP : 0, 1], range: fluxLimits(traces, data),
        exponentformat: 'e', minexponent: 5, automargin: true, zeroline: true, zerolinecolor: quiet, zerolinewidth: 0.7,
        title: { text: `Flux${unit}`, standoff: 10, font: { size: 11 } },
      },
      ...(residual ? { yaxis2: this.residualAxis(axis, residual) } : {}),
    };
  },

  residualAxis(axis, { y, hovertemplate }) {
    const sizes = y.filter(Number.isFinite).map(Math.abs).sort();
    const largest = sizes[Math.floor(0.995 * sizes.length)] ?? 1;
    const inSigma = hovertemplate.includes('σ');
    const limit = inSigma ? Math.min(MOST_SIGMAS, Math.max(4, 1.15 * largest)) : 1.15 * largest || 1;
    return {
      ...axis, domain: [0, RESIDUAL], range: [-limit, limit], zeroline: true, zerolinewidth: 0.7,
      zerolinecolor: colour('--quiet'),
      title: { text: inSigma ? 'Res. (σ)' : 'Res.', standoff: 10, font: { size: 11 } },
      ...(inSigma ? { tickvals: [-4, 0, 4] } : { nticks: 4, exponentformat: 'e' }),
    };
  },

  /** Draw lines, sky and the axis of rest wavelengths over the visible part of the spectra. */
  overlay() {
    const { data, options, frame } = this;
    const place = byId('plot');
    if (!place._fullLayout?.xaxis) return;
    const shapes = [];
    const annotations = [];
    shapes.push(...Narrow.shapes());
    if (options.sky) shaded(data, frame, shapes, annotations);
    this.lines = linesAt(data, frame, options);
    this.mark(shapes, annotations);
    Plotly.relayout(place, { shapes, annotations, ...this.restAxis() });
  },

  /** A stroke for each line, and the labels that have room: they stand beside their lines where these are close. */
  mark(shapes, annotations) {
    const axis = byId('plot')._fullLayout.xaxis;
    const height = byId('plot')._fullLayout._size.h;
    const [low, high] = [...axis.range].sort((a, b) => a - b);
    const seen = this.lines.filter(({ x }) => x >= low && x <= high)
      .map((line) => ({ ...line, pixel: axis.d2p(line.x) }));
    const labelled = placed(seen, LABEL_ROOM, LABEL_SHIFT, [LABEL_ROOM, axis._length]);
    for (const line of seen) {
      const { x, pixel, label, kind, rest } = line;
      const stroke = colour(`--${kind}`);
      const place = labelled.get(line) ?? pixel;
      const [beside, bend, top] = [axis.p2d(place), 1 - (LABEL_HEIGHT + BEND) / height, 1 - LABEL_HEIGHT / height];
      shapes.push({
        type: 'path', xref: 'x', yref: 'paper', layer: 'below', opacity: 0.55,
        path: `M${x},0L${x},${bend}L${beside},${top}L${beside},1`,
        line: { color: stroke, width: 1, dash: { emission: 'solid', absorption: 'dot', unnamed: 'dash' }[kind] },
      });
      if (!labelled.has(line)) continue;
      annotations.push({
        x, y: 1, xref: 'x', yref: 'paper', xanchor: 'right', yanchor: 'top', text: label, textangle: -90,
        showarrow: false, font: { size: 11, color: stroke }, captureevents: true,
        name: rest === null ? 'unnamed' : `line ${rest}`, xshift: 2 + place - pixel, borderpad: 1,
        hovertext: rest === null ? 'a line that the redshift does not explain' : undefined,
      });
    }
  },

  /** The upper axis: rest wavelengths in vacuum. Its ticks are positions on the lower one: both move together. */
  restAxis() {
    const { frame, options, data } = this;
    if (options.z === null || !frame.unit) return { 'xaxis2.visible': false };
    const [low, high] = [...byId('plot')._fullLayout.xaxis.range].sort((a, b) => a - b)
      .map((place) => frame.rest(place, options.z));
    const step = niceStep((high - low) / Math.max(3, Math.min(8, byId('plot')._fullLayout.xaxis._length / 80)));
    const [bluest, reddest] = ends(data).map((place) => frame.rest(place, options.z));
    const first = Math.max(bluest, low - 4 * (high - low));
    const last = Math.min(reddest, high + 4 * (high - low));
    const ticks = [];
    for (let tick = Math.ceil(first / step) * step; tick <= last; tick += step) {
      ticks.push(Number(tick.toPrecision(10)));
    }
    return {
      'xaxis2.visible': true,
      'xaxis2.tickvals': ticks.map((tick) => frame.seen(tick, options.z)),
      'xaxis2.ticktext': ticks.map(String),
      'xaxis2.title': { text: 'Rest wavelength (Å, vacuum)', standoff: 4 },
    };
  },

  /** Drag a line by its label: the redshift follows. */
  drag(event) {
    const label = event.target.closest?.('.annotation');
    const place = byId('plot');
    const chosen = label && place.layout.annotations?.[label.dataset.index];
    if (!chosen?.name?.startsWith('line ')) return;
    event.preventDefault();
    event.stopPropagation();
    const rest = Number(chosen.name.slice(5));
    const axis = place._fullLayout.xaxis;
    const grip = event.clientX - axis.d2p(chosen.x);
    const move = ({ clientX }) => {
      const seen = axis.p2d(clientX - grip);
      const z = this.frame.rest(seen, 0) / rest - 1;
      if (z > -0.1 && z < 20) this.onRedshift(Number(z.toFixed(5)));
    };
    const end = () => {
      window.removeEventListener('pointermove', move, true);
      window.removeEventListener('pointerup', end, true);
      this.onRedshiftEnd();
    };
    window.addEventListener('pointermove', move, true);
    window.addEventListener('pointerup', end, true);
  },
};

/** The lines at a redshift, the most useful first, and detected ones that none of them explains. */
function linesAt(data, frame, { z, emission, absorption }) {
  const at = (list, kind) => list.map(([label, rest]) => ({ label, rest, kind, x: frame.seen(rest, z) }));
  const isKnown = z !== null && frame.unit !== null;
  const named = isKnown ? at(EMISSION, 'emission') : [];
  const explains = (x) => named.some((line) => Math.abs(line.x - x) < SAME_LINE * x);
  const unnamed = !emission ? [] : data.unnamed.filter((x) => !explains(x))
    .map((x) => ({ label: '?', rest: null, kind: 'unnamed', x }));
  if (!isKnown) return unnamed;
  return [
    ...unnamed, ...(emission ? named : []), ...(absorption ? at(ABSORPTION, 'absorption') : []),
  ];
}

/**
 * Where labels stand, in pixels, so that they do not overlap: a map from lines to places. Lines without a place have no
 * room for a label: the first ones have it before the others.
 */
function placed(lines, room, shift, [least, most]) {
  let chosen = [];
  let places = [];
  for (const line of lines) {
    const near = ({ label, pixel }) => label === line.label && Math.abs(pixel - line.pixel) < room;
    if (chosen.some(near)) continue;
    const next = [...chosen, line].sort((a, b) => a.pixel - b.pixel);
    const found = spread(next.map(({ pixel }) => pixel), room);
    const fits = found.every((place, index) => (
      Math.abs(place - next[index].pixel) <= shift && place >= least && place <= most));
    if (fits) [chosen, places] = [next, found];
  }
  return new Map(chosen.map((line, index) => [line, places[index]]));
}

/** Places at least this far apart that are the nearest to ascending ones: least squares, by pooling neighbours. */
function spread(pixels, room) {
  const groups = [];
  const mean = ({ sum, number }) => sum / number;
  pixels.forEach((pixel, index) => {
    groups.push({ sum: pixel - index * room, number: 1 });
    while (groups.length > 1 && mean(groups.at(-2)) > mean(groups.at(-1))) {
      const { sum, number } = groups.pop();
      groups.at(-1).sum += sum;
      groups.at(-1).number += number;
    }
  });
  return groups.flatMap((group) => Array(group.number).fill(mean(group))).map((start, index) => start + index * room);
}

/** Escape text for plotly, which would interpret some tags, entities and templates. */
function plain(text) {
  return String(text).replace(/[&<>{}%$]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colour of a spectrum that is shown: it keeps its own until it is hidden; the best has the first. */
function colourOf(data, key) {
  for (const gone of Object.keys(data.colours).filter((one) => !data.shown.includes(one))) delete data.colours[gone];
  if (!(key in data.colours)) {
    const taken = Object.values(data.colours);
    const free = [1, 2, 3, 4, 5, 6, 7].find((number) => !taken.includes(number)) ?? 7;
    data.colours[key] = key === data.best[0] ? 0 : free;
  }
  return colour(`--line-${data.colours[key]}`);
}

/** Flux and errors (of channels taken as independent) after a Gaussian of a standard deviation in channels. */
function smoothed(flux, error, width) {
  if (!width) return { flux, error };
  const reach = Math.ceil(3 * width);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, place) => Math.exp(-0.5 * ((place - reach) / width) ** 2));
  const [means, errors] = [new Float32Array(flux.length), error && new Float32Array(flux.length)];
  for (let place = 0; place < flux.length; place += 1) {
    let [weight, sum, squares] = [0, 0, 0];
    for (let step = -reach; step <= reach; step += 1) {
      const found = flux[place + step];
      if (!Number.isFinite(found)) continue;
      const part = kernel[step + reach];
      weight += part;
      sum += part * found;
      if (error) squares += (part * error[place + step]) ** 2;
    }
    means[place] = Number.isFinite(flux[place]) ? sum / weight : NaN;
    if (error) errors[place] = Math.sqrt(squares) / weight;
  }
  return { flux: means, error: errors };
}

/** The band of one sigma: a closed curve around each run of channels that have flux and error. */
function bandOf(wave, flux, error, line) {
  const [x, y] = [[], []];
  let run = [];
  const close = () => {
    for (const place of run) { x.push(wave[place]); y.push(flux[place] + error[place]); }
    for (const place of run.reverse()) { x.push(wave[place]); y.push(flux[place] - error[place]); }
    if (run.length) { x.push(null); y.push(null); }
    run = [];
  };
  for (let place = 0; place < wave.length; place += 1) {
    if (Number.isFinite(flux[place]) && Number.isFinite(error[place])) run.push(place); else close();
  }
  close();
  return { x, y, fill: 'toself', fillcolor: `${line}38`, mode: 'none', hoverinfo: 'skip', name: 'band' };
}

/** Limits of the flux that is seen, with zero, without channels at the ends and on sky lines. */
function fluxLimits(traces, data) {
  const sky = (place) => data.sky.some(([from, to]) => place >= from && place <= to);
  const used = Array.from(data.wave, (place, index) => (
    index >= data.wave.length / 60 && index < data.wave.length * (59 / 60) && !sky(place)));
  const spectra = traces.filter(({ y, name, yaxis }) => name !== 'band' && !yaxis && y.length === data.wave.length);
  const [low, high] = limitsOf(spectra.map(({ y }) => y.filter((_, index) => used[index])), [0, 0]);
  const margin = 0.12 * (high - low) || 1;
  return [low - margin, high + 1.4 * margin];
}

/** Limits with every line of some spectra, but no hot voxel: a channel counts up to twice the median of it and its
 *  neighbours. */
function limitsOf(spectra, [least, most] = [Infinity, -Infinity]) {
  let [low, high] = [least, most];
  for (const values of spectra.map((one) => one.filter(Number.isFinite))) {
    for (let place = 1; place < values.length - 1; place += 1) {
      const middle = 2 * [values[place - 1], values[place], values[place + 1]].sort((a, b) => a - b)[1];
      low = Math.min(low, Math.max(values[place], Math.min(middle, middle / 4)));
      high = Math.max(high, Math.min(values[place], Math.max(middle, middle / 4)));
    }
  }
  return [low, high];
}

/** Channels on sky lines, the night sky's strongest lines, and bands of the atmosphere. */
function shaded(data, frame, shapes, annotations) {
  const box = (from, to) => `M${from},0L${to},0L${to},1L${from},1Z`;
  const fill = (path, fillcolor) => ({
    type: 'path', xref: 'x', yref: 'paper', path, fillcolor, line: { width: 0 }, layer: 'below',
  });
  const around = (line) => [-0.5, 0.5].map((side) => frame.ofAir(line + side * SKY_WIDTH));
  const [low, high] = ends(data);
  const seen = ([from, to]) => to >= low && from <= high;
  const axis = byId('plot')._fullLayout.xaxis;
  let last = -Infinity;  // pixel of the last label
  const sky = [...data.sky, ...(frame.unit ? SKY_LINES.map(around) : [])].filter(seen);
  if (sky.length) shapes.push(fill(sky.map((range) => box(...range)).join(''), colour('--sky')));
  for (const [name, ...limits] of frame.unit ? TELLURIC : []) {
    const [from, to] = limits.map((limit) => frame.ofAir(limit));
    if (!seen([from, to])) continue;
    shapes.push(fill(box(from, to), colour('--telluric')));
    const middle = axis.d2p((from + to) / 2);
    if (middle - last < TELLURIC_ROOM) continue;
    last = middle;
    annotations.push({
      x: (from + to) / 2, y: byId('plot').layout.yaxis.domain[0], xref: 'x', yref: 'paper', yanchor: 'bottom',
      text: name, showarrow: false, font: { size: 10, color: colour('--quiet') },
    });
  }
}

/** The lowest and the highest wavelength. */
const ends = (data) => [data.wave[0], data.wave.at(-1)].sort((a, b) => a - b);

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

// plotly follows the window only, but the map beside the plot changes its width too.
new ResizeObserver(() => {
  if (byId('plot').dataset.ready && !byId('plot').hidden) Plotly.Plots.resize('plot');
}).observe(byId('plot'));
