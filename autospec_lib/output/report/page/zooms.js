'use strict';
// A closer look at the main lines at a redshift: a strip of small plots, drawn as SVG.

const ZOOM = { width: 150, height: 128, top: 26, bottom: 112 };  // pixels: size, and limits of the curves in it
const ZOOM_ROOM = 31;  // pixels from one label to the next
const FEWEST_CHANNELS = 8;  // that a plot needs
const LEAST_COVERED = 0.6;  // of its wavelengths

const Zooms = {
  /** Draw the strip anew. */
  draw(data, options) {
    const place = byId('zooms');
    place.hidden = false;  // else it has no width
    const number = Math.max(2, Math.floor(place.clientWidth / ZOOM.width));
    const frame = new Frame(data);
    const chosen = options.z === null || !frame.unit ? [] : zoomsAt(data, frame, options).slice(0, number);
    place.hidden = !chosen.length;
    const share = (place.clientWidth - 6 * (chosen.length - 1)) / chosen.length - 2;  // between gaps, inside borders
    const width = Math.floor(Math.min(1.6 * ZOOM.width, share));
    chosen.sort((a, b) => a.from - b.from);
    const curves = data.spectra.filter(({ key }) => options.shown.includes(key)).map(({ key, flux, error }) => (
      { stroke: colourOf(data, key), ...smoothed(flux, options.band ? error : null, options.smooth) }));
    if (options.model) curves.push({ stroke: colour('--model'), ...smoothed(options.model, null, options.smooth) });
    place.replaceChildren(...chosen.map((one) => {
      const x = (value) => ((value - one.from) / (one.to - one.from)) * width;
      const panel = { ...one, wave: data.wave, width, x };
      return zoomed(curves, marksOf(data, frame, options, panel), panel);
    }));
  },
};

/** The closer looks that the wavelengths allow, the most useful first; of a star, those at a star's lines. */
function zoomsAt(data, frame, { z, isStar }) {
  const [low, high] = ends(data);
  return ZOOMS.filter(([, , , ofStar]) => ofStar || !isStar)
    .map(([name, blue, red]) => ({ name, from: frame.seen(blue, z), to: frame.seen(red, z) }))
    .filter(({ from, to }) => Math.min(to, high) - Math.max(from, low) > LEAST_COVERED * (to - from))
    .map((one) => ({ ...one, inside: channels(data.wave, one.from, one.to) }))
    .filter(({ inside: [first, last] }) => last - first >= FEWEST_CHANNELS);
}

/** The first channel within two wavelengths, and the one behind the last; the axis may descend. */
function channels(wave, from, to) {
  const isInside = (value) => value >= from && value <= to;
  const first = wave.findIndex(isInside);
  return first < 0 ? [0, 0] : [first, wave.findLastIndex(isInside) + 1];
}

/** One small plot of some curves; a click on it shows its wavelengths in the large one. */
function zoomed(curves, marks, panel) {
  const { name, from, to, inside: [first, last], wave, width, x } = panel;
  const parts = curves.map(({ stroke, flux, error }) => (
    { stroke, flux: flux.subarray(first, last), error: error?.subarray(first, last) }));
  let [low, high] = limitsOf(parts.map(({ flux }) => flux));
  if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 1, high + 1] : [0, 1];
  const room = 0.88 * (ZOOM.bottom - ZOOM.top);
  const y = (value) => ZOOM.bottom - 5 - Math.max(-0.07, Math.min(1.1, (value - low) / (high - low))) * room;
  const places = wave.subarray(first, last);
  const drawings = parts.flatMap(({ stroke, flux, error }) => [
    ...(error ? [drawn('path', { d: between(places, flux, error, x, y), fill: `${stroke}38` })] : []),
    drawn('path', { d: steps(places, flux, x, y), class: 'flux', stroke }),
  ]);
  const ticks = [[from, 'start', 3], [to, 'end', width - 3]].map(([place, anchor, at]) => (
    drawn('text', { x: at, y: ZOOM.height - 4, class: 'tick', 'text-anchor': anchor }, readable(place, 4))));
  const picture = drawn('svg', { width, height: ZOOM.height, 'aria-hidden': true });
  picture.append(...marks, ...drawings, drawn('path', { d: `M0,${ZOOM.bottom}H${width}`, class: 'axis' }), ...ticks);
  const button = element('button', {
    type: 'button', class: 'zoom', 'aria-label': `Look at ${name} in the plot`,
    title: `${name}: click to look at it in the plot, double-click there for all`,
  }, picture);
  button.onclick = () => {
    Plotly.relayout(byId('plot'), { 'xaxis.range': [from - (to - from) / 2, to + (to - from) / 2] });
    byId('name').focus({ preventScroll: true });
  };
  return button;
}

/** Sky and lines of a small plot. */
function marksOf(data, frame, options, { from, to, width, x }) {
  const sky = (options.sky ? data.sky : []).filter(([blue, red]) => blue < to && red > from).map(([blue, red]) => {
    const [left, right] = [Math.max(0, x(blue)), Math.min(width, x(red))];
    return drawn('rect', {
      x: left, y: ZOOM.top, width: right - left, height: ZOOM.bottom - ZOOM.top, fill: 'var(--sky)',
    });
  });
  const lines = linesAt(data, frame, { ...options, absorption: true })
    .filter((line) => line.x >= from && line.x <= to).map((line) => ({ ...line, pixel: x(line.x) }));
  const labels = placed(lines, ZOOM_ROOM, ZOOM_ROOM, [ZOOM_ROOM / 2, width - ZOOM_ROOM / 2]);
  // Without room for its label, a line of absorption is one of emission too, or one of several.
  const strokes = lines.filter((line) => labels.has(line) || line.kind !== 'absorption').map((line) => drawn('path', {
    d: `M${line.pixel},${ZOOM.bottom}V${ZOOM.top}L${labels.get(line) ?? line.pixel},${ZOOM.top - 7}`,
    class: `stroke ${line.kind}`,
  }));
  const names = [...labels].map(([{ kind, label }, place]) => (
    drawn('text', { x: place, y: ZOOM.top - 10, class: `name ${kind}` }, label)));
  return [...sky, ...strokes, ...names];
}

/** An element of SVG, with text in it if there is any. */
function drawn(tag, properties, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A curve in steps through what is known. */
function steps(wave, flux, x, y) {
  const half = wave.length > 1 ? (x(wave[1]) - x(wave[0])) / 2 : 1;
  let path = '';
  for (let place = 0; place < wave.length; place += 1) {
    if (!Number.isFinite(flux[place])) continue;
    const middle = x(wave[place]);
    const isFirst = place === 0 || !Number.isFinite(flux[place - 1]);
    const [left, right] = [middle - half, middle + half].map((one) => one.toFixed(1));
    path += `${isFirst ? 'M' : 'L'}${left},${y(flux[place]).toFixed(1)}H${right}`;
  }
  return path;
}

/** The area of one sigma to both sides of what is known. */
function between(wave, flux, error, x, y) {
  const known = [...wave.keys()].filter((place) => Number.isFinite(flux[place]) && Number.isFinite(error[place]));
  if (!known.length) return '';
  const at = (place, side) => `${x(wave[place]).toFixed(1)},${y(flux[place] + side * error[place]).toFixed(1)}`;
  return `M${[...known.map((place) => at(place, 1)), ...known.reverse().map((place) => at(place, -1))].join('L')}Z`;
}
