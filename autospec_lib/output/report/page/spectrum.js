'use strict';
// The plot of a source's spectra, by plotly.

const CONFIG = {
  displaylogo: false,
  responsive: true,
  doubleClick: 'reset',
  showTips: false,
  modeBarButtons: [['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d', 'toImage']],
};
const LABEL_ROOM = 15;  // pixels from one line's label to the next
let plotly = null;  // the library, once something has to be drawn

const Spectrum = {
  data: null,
  options: { shown: [], smooth: 0, band: true, sky: true, emission: true, absorption: false, z: null },
  frame: null,
  lines: [],  // those that are drawn: [label, rest wavelength, kind]
  onRedshift: () => {},

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
    // plotly draws an axis only if something is plotted against it.
    if (this.frame.unit) traces.push({ x: [null], y: [null], xaxis: 'x2', hoverinfo: 'skip' });
    return traces;
  },

  layout(traces) {
    const { data } = this;
    const [ink, quiet, rule, paper] = ['--ink', '--quiet', '--rule', '--paper'].map(colour);
    const axis = {
      color: quiet, gridcolor: rule, zeroline: false, linecolor: rule, ticks: 'outside', tickcolor: rule, ticklen: 4,
    };
    const medium = `, ${data.medium || 'air or vacuum is not known'}`;
    const unit = data.unit ? ` (${plain(data.unit)})` : '';
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
        ...axis, range: ends(data), hoverformat: '.6~g', exponentformat: 'none', separatethousands: false,
        title: { text: `Wavelength (${plain(data.wave_unit)}${medium})`, standoff: 8 },
      },
      xaxis2: {
        ...axis, overlaying: 'x', matches: 'x', side: 'top', showgrid: false, visible: false, tickmode: 'array',
      },
      yaxis: {
        ...axis, range: fluxLimits(traces, data), exponentformat: 'e', minexponent: 5, automargin: true,
        zeroline: true, zerolinecolor: quiet, zerolinewidth: 0.7,
        title: { text: `Flux${unit}`, standoff: 10 },
      },
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
    this.lines = options.z === null || !frame.unit ? [] : [
      ...(options.emission ? EMISSION.map((line) => [...line, 'emission']) : []),
      ...(options.absorption ? ABSORPTION.map((line) => [...line, 'absorption']) : []),
    ];
    const labelled = [];
    for (const line of this.lines) this.mark(line, labelled, shapes, annotations);
    Plotly.relayout(place, { shapes, annotations, ...this.restAxis() });
  },

  /** One line: a stroke, and its label if there is room. */
  mark(line, labelled, shapes, annotations) {
    const [label, rest, kind] = line;
    const axis = byId('plot')._fullLayout.xaxis;
    const x = this.frame.seen(rest, this.options.z);
    const [low, high] = [...axis.range].sort((a, b) => a - b);
    if (!(x >= low && x <= high)) return;
    const stroke = colour(`--${kind}`);
    shapes.push({
      type: 'line', xref: 'x', yref: 'paper', x0: x, x1: x, y0: 0, y1: 1, layer: 'below', opacity: 0.55,
      line: { color: stroke, width: 1, dash: kind === 'emission' ? 'solid' : 'dot' },
    });
    const pixel = axis.d2p(x);
    if (labelled.some((other) => Math.abs(other - pixel) < LABEL_ROOM)) return;
    labelled.push(pixel);
    annotations.push({
      x, y: 1, xref: 'x', yref: 'paper', xanchor: 'right', yanchor: 'top', text: label, textangle: -90,
      showarrow: false, font: { size: 11, color: stroke }, captureevents: true, name: `line ${rest}`, xshift: 2,
      borderpad: 1,
    });
  },

  /** The upper axis: rest wavelengths in vacuum. Its ticks are positions on the lower one: both move together. */
  restAxis() {
    const { frame, options, data } = this;
    if (options.z === null || !frame.unit) return { 'xaxis2.visible': false };
    const [low, high] = [...byId('plot')._fullLayout.xaxis.range].sort((a, b) => a - b)
      .map((place) => frame.rest(place, options.z));
    const step = niceStep((high - low) / 8);
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
    };
    window.addEventListener('pointermove', move, true);
    window.addEventListener('pointerup', end, true);
  },
};

/** Escape text for plotly, which would interpret some tags, entities and templates. */
function plain(text) {
  return String(text).replace(/[&<>{}%$]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colour of a spectrum that is shown: it keeps its own until it is hidden, and the reference has the first. */
function colourOf(data, key) {
  for (const gone of Object.keys(data.colours).filter((one) => !data.shown.includes(one))) delete data.colours[gone];
  if (!(key in data.colours)) {
    const taken = Object.values(data.colours);
    const free = [1, 2, 3, 4, 5, 6, 7].find((number) => !taken.includes(number)) ?? 7;
    data.colours[key] = key === data.reference ? 0 : free;
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

/** Limits that include zero and every line, but no sky residual or hot voxel: a channel counts up to twice the
 *  median of it and its neighbours. */
function fluxLimits(traces, data) {
  let [low, high] = [0, 0];
  const sky = (place) => data.sky.some(([from, to]) => place >= from && place <= to);
  const used = Array.from(data.wave, (place, index) => (
    index >= data.wave.length / 60 && index < data.wave.length * (59 / 60) && !sky(place)));
  for (const { y, name } of traces) {
    if (name === 'band' || y.length !== data.wave.length) continue;
    const values = y.filter((one, index) => used[index] && Number.isFinite(one));
    for (let place = 1; place < values.length - 1; place += 1) {
      const middle = 2 * [values[place - 1], values[place], values[place + 1]].sort((a, b) => a - b)[1];
      low = Math.min(low, Math.max(values[place], middle));
      high = Math.max(high, Math.min(values[place], middle));
    }
  }
  const margin = 0.12 * (high - low) || 1;
  return [low - margin, high + 1.4 * margin];
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
  const sky = [...data.sky, ...(frame.unit ? SKY_LINES.map(around) : [])].filter(seen);
  if (sky.length) shapes.push(fill(sky.map((range) => box(...range)).join(''), colour('--sky')));
  for (const [name, ...limits] of frame.unit ? TELLURIC : []) {
    const [from, to] = limits.map((limit) => frame.ofAir(limit));
    if (!seen([from, to])) continue;
    shapes.push(fill(box(from, to), colour('--telluric')));
    annotations.push({
      x: (from + to) / 2, y: 0, xref: 'x', yref: 'paper', yanchor: 'bottom', text: name, showarrow: false,
      font: { size: 10, color: colour('--quiet') },
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
new ResizeObserver(() => { if (byId('plot').dataset.ready && !byId('plot').hidden) Plotly.Plots.resize('plot'); })
  .observe(byId('plot'));
