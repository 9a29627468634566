'use strict';
// A closer look at the main lines at a redshift: a strip of small plots, drawn as SVG.

const ZOOM = { width: 150, height: 128, top: 26, bottom: 16 };  // pixels
const ZOOM_ROOM = 25;  // pixels from one label to the next
const FEWEST_CHANNELS = 8;  // that a plot needs

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
    place.replaceChildren(...chosen.map((one) => zoomed(data, frame, options, one, width)));
  },
};

/** The closer looks that the wavelengths allow, the most useful first; of a star, those at a star's lines. */
function zoomsAt(data, frame, { z, isStar }) {
  const [low, high] = ends(data);
  return ZOOMS.filter(([, , , ofStar]) => ofStar || !isStar)
    .map(([name, blue, red]) => ({ name, from: frame.seen(blue, z), to: frame.seen(red, z) }))
    .filter(({ from, to }) => from < high && to > low)
    .map((one) => ({ ...one, inside: channels(data.wave, one.from, one.to) }))
    .filter(({ inside: [first, last] }) => last - first >= FEWEST_CHANNELS);
}

/** The first channel within two wavelengths, and the one behind the last; the axis may descend. */
function channels(wave, from, to) {
  const isInside = (value) => value >= from && value <= to;
  const first = wave.findIndex(isInside);
  return first < 0 ? [0, 0] : [first, wave.findLastIndex(isInside) + 1];
}

/** One small plot; a click on it shows its wavelengths in the large one. */
function zoomed(data, frame, options, { name, from, to, inside: [first, last] }, width) {
  const x = (value) => ((value - from) / (to - from)) * width;
  const wave = data.wave.subarray(first, last);
  const spectra = data.spectra.filter(({ key }) => options.shown.includes(key)).map((one) => {
    const { flux, error } = smoothed(one.flux, one.error, options.smooth);
    return { key: one.key, flux: flux.subarray(first, last), error: error?.subarray(first, last) };
  });
  const model = options.model && smoothed(options.model, null, options.smooth).flux.subarray(first, last);
  let [low, high] = limitsOf([...spectra.map(({ flux }) => flux), ...(model ? [model] : [])]);
  if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 1, high + 1] : [0, 1];
  const [bottom, room] = [ZOOM.height - ZOOM.bottom, 0.88 * (ZOOM.height - ZOOM.bottom - ZOOM.top)];
  const y = (value) => bottom - 5 - (Math.max(-0.07, Math.min(1.1, (value - low) / (high - low)))) * room;

  const made = [];
  for (const [blue, red] of options.sky ? data.sky : []) {
    if (blue > to || red < from) continue;
    const left = Math.max(0, x(blue));
    made.push(drawn('rect', {
      x: left, y: ZOOM.top, width: Math.min(width, x(red)) - left, height: bottom - ZOOM.top, fill: 'var(--sky)',
    }));
  }
  const lines = linesAt(data, frame, { ...options, absorption: true })
    .filter((line) => line.x >= from && line.x <= to).map((line) => ({ ...line, pixel: x(line.x) }));
  const labels = placed(lines, ZOOM_ROOM, ZOOM_ROOM, [ZOOM_ROOM / 2, width - ZOOM_ROOM / 2]);
  for (const line of lines) {
    if (!labels.has(line) && line.kind === 'absorption') continue;  // an emission line of this wavelength is there
    const place = labels.get(line) ?? line.pixel;
    made.push(drawn('path', {
      d: `M${line.pixel},${bottom}V${ZOOM.top}L${place},${ZOOM.top - 7}`, class: `stroke ${line.kind}`,
    }));
    if (labels.has(line)) {
      made.push(drawn('text', { x: place, y: ZOOM.top - 10, class: `name ${line.kind}` }, line.label));
    }
  }
  for (const { key, flux, error } of spectra) {
    const stroke = colourOf(data, key);
    if (options.band && error) made.push(drawn('path', { d: between(wave, flux, error, x, y), fill: `${stroke}38` }));
    made.push(drawn('path', { d: steps(wave, flux, x, y), class: 'flux', stroke }));
  }
  if (model) made.push(drawn('path', { d: steps(wave, model, x, y), class: 'flux', stroke: 'var(--model)' }));
  made.push(drawn('path', { d: `M0,${bottom}H${width}`, class: 'axis' }));
  for (const [place, anchor, at] of [[from, 'start', 3], [to, 'end', width - 3]]) {
    made.push(drawn('text', { x: at, y: ZOOM.height - 4, class: 'tick', 'text-anchor': anchor }, readable(place, 4)));
  }
  const picture = drawn('svg', { width, height: ZOOM.height, 'aria-hidden': true });
  picture.append(...made);
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
