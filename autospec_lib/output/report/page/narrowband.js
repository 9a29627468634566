'use strict';
// The binned cube of a source: narrow-band images, and spectra of spaxels. It is loaded when the user asks for one.

const ROUNDING = 1e-9;  // of a bin, so that it does not lose the last one
const FULL_SINGLE = 32767;

const Narrow = {
  kept: new Map(),  // cubes by the source's ID
  wave: null,  // the middle of the band, null for none
  half: null,  // half its width, in units of wavelength
  spaxel: null,  // [y, x]
  line: -1,  // the place in the list of lines of the one that was shown last

  /** Forget the band and the spaxel of the source before. */
  clear() {
    [this.wave, this.spaxel, this.line] = [null, null, -1];
  },

  /** Called by the file with a cube. */
  receive(raw, base64) {
    this.kept.set(raw.id, { ...raw, packed: decoded(base64, Uint8Array) });
  },

  /** The cube of a source. */
  async cube(data) {
    if (!data.cube) throw new Error('there is no binned cube for this report: REPORT_CUBE was False');
    if (!this.kept.has(data.id)) {
      await loadScript(address(`report/cubes/${Table.byId.get(data.id).file}`));
      while (this.kept.size > KEPT_IN_MEMORY / 3) this.kept.delete(this.kept.keys().next().value);
    }
    const cube = this.kept.get(data.id);
    if (!cube) throw new Error(`the binned cube of source ${data.id} cannot be read`);
    if (!cube.levels) Object.assign(cube, await unpacked(cube, data));
    return cube;
  },

  /** The cube of the source at hand if it is loaded. */
  loaded() {
    const cube = Source.data && this.kept.get(Source.data.id);
    return cube?.levels ? cube : null;
  },

  /** Show the narrow-band image at a wavelength. */
  async show(wave) {
    const { data } = Source;
    try {
      const cube = await this.cube(data);
      if (Source.data !== data) return;  // the user has gone on
      this.half ??= 1.5 * cube.bin;
      this.wave = wave;
      Images.choose(BAND);
      Spectrum.overlay();
      announce(`narrow band at ${readable(wave, 6)} ${data.wave_unit}`);
    } catch (error) {
      announce(error.message);
    }
  },

  /** Show the next of the lines that the redshift brings into the spectrum, the most useful first. */
  next() {
    const z = Source.redshiftShown();
    const [low, high] = ends(Source.data);
    const lines = z === null ? [] : EMISSION.map(([label, rest]) => [label, Spectrum.frame.seen(rest, z)])
      .filter(([, seen]) => seen > low && seen < high);
    if (!lines.length) { announce('no line: type a redshift, or click on a wavelength in the spectrum'); return; }
    this.line = (this.line + 1) % lines.length;
    this.show(lines[this.line][1]);
  },

  /** The flux in the band without the continuum: an image. */
  image(cube) {
    const [first, last] = this.range(cube);
    const values = new Float32Array(cube.spaxels);
    for (let bin = first; bin <= last; bin += 1) {
      for (let place = 0; place < cube.spaxels; place += 1) {
        values[place] += cube.rest(bin, place) * cube.widths[bin];
      }
    }
    return values;
  },

  /** The first and last bin of the band. */
  range(cube) {
    const most = this.half + ROUNDING * cube.bin;
    let first = cube.waves.findIndex((wave) => Math.abs(wave - this.wave) <= most);
    if (first < 0) first = nearestOf(cube.waves, this.wave);
    let last = first;
    while (last + 1 < cube.waves.length && Math.abs(cube.waves[last + 1] - this.wave) <= most) last += 1;
    return [first, last];
  },

  /** The ends of the band [lowest, highest wavelength]. */
  limits(cube) {
    const [first, last] = this.range(cube);
    return [cube.waves[first] - cube.widths[first] / 2, cube.waves[last] + cube.widths[last] / 2]
      .sort((a, b) => a - b);
  },

  /** The band in words. */
  words(data) {
    const cube = this.loaded();
    if (this.wave === null || !cube) return '';
    const [low, high] = this.limits(cube);
    return `${readable((low + high) / 2, 6)} \u00b1 ${readable((high - low) / 2, 2)} ${data.wave_unit}`;
  },

  /** Show the spectrum of a spaxel in the plot; null for none. */
  async spectrumOf(spaxel) {
    const { data } = Source;
    try {
      if (spaxel) await this.cube(data);
      if (Source.data !== data) return;
      this.spaxel = spaxel;
      Images.later();
      await Source.draw();
    } catch (error) {
      announce(error.message);
    }
  },

  /** What the plot shows beside the spectra: the spaxel's, multiplied so that it is seen beside the reference. */
  traces(data) {
    const cube = this.loaded();
    if (!cube || !this.spaxel) return [];
    const flux = cube.spectrum(this.place(data));
    const factor = this.factor(data, flux);
    const name = this.name(factor);
    return [{
      x: cube.waves,
      y: flux.map((one) => one * factor),
      customdata: flux,
      name,
      hovertemplate: `%{customdata:.4~g}<extra>${plain(name)}</extra>`,
      mode: 'lines',
      line: { color: colour('--spaxel'), width: 1.3, shape: 'hvh' },
    }];
  },

  place(data) {
    return this.spaxel[0] * data.shape[1] + this.spaxel[1];
  },

  /** A round number. */
  factor(data, flux) {
    const size = (values) => sorted(values.map(Math.abs)).at(-Math.ceil(values.length / 20)) ?? 0;
    const reference = data.spectra.find((one) => one.key === data.reference);
    const ratio = size(reference.flux) / size(flux);
    return Number.isFinite(ratio) && ratio > 1 ? niceStep(ratio / 2.5) : 1;
  },

  name(factor) {
    const [y, x] = this.spaxel;
    return `Spaxel ${x + 1}, ${y + 1}${factor === 1 ? '' : ` \u00d7 ${factor}`}`;
  },

  /** The entry of the spaxel in the plot's legend. */
  legend(data) {
    const cube = this.loaded();
    if (!cube || !this.spaxel) return [];
    const mark = element('i', { class: 'swatch', 'aria-hidden': 'true' });
    mark.style.background = colour('--spaxel');
    const off = element('button', { type: 'button', class: 'plain', title: 'Without the spaxel' }, '\u2715');
    off.onclick = () => this.spectrumOf(null);
    return [element('span', {}, mark, this.name(this.factor(data, cube.spectrum(this.place(data)))), off)];
  },

  /** The band as a shape of the plot. */
  shapes() {
    const cube = this.loaded();
    if (!cube || this.wave === null) return [];
    const [x0, x1] = this.limits(cube);
    return [{
      type: 'rect', xref: 'x', yref: 'paper', x0, x1, y0: 0, y1: 1, layer: 'below', line: { width: 0 },
      fillcolor: colour('--spaxel'), opacity: 0.22, name: 'band',
    }];
  },
};

/** The numbers of a cube: wavelengths of its bins, and functions that give values. */
async function unpacked(cube, data) {
  const stream = new Blob([cube.packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const levels = new Int8Array(await new Response(stream).arrayBuffer());
  const spaxels = data.shape[0] * data.shape[1];
  const noise = decoded(cube.width);
  const continuum = decoded(cube.continuum, Int16Array);
  const size = Float32Array.from({ length: 256 }, (_, level) => (
    level ? cube.softening * Math.sinh((level - 128) / cube.steps) : NaN));
  const bins = levels.length / spaxels;
  const { wave } = data;
  const edge = (place) => (place < wave.length ? wave[place] : wave.at(-1) + (wave.at(-1) - wave.at(-2)));
  const waves = Float64Array.from({ length: bins }, (_, bin) => (
    (wave[bin * cube.step] + wave[Math.min((bin + 1) * cube.step, wave.length) - 1]) / 2));
  const widths = waves.map((_, bin) => (
    Math.abs(edge(Math.min((bin + 1) * cube.step, wave.length)) - wave[bin * cube.step])));
  const rest = (bin, place) => noise[bin] * size[levels[bin * spaxels + place] + 128];
  const smooth = (bin, place) => {
    const after = cube.nodes.findIndex((node) => node >= bin);
    const at = (node) => (continuum[node * spaxels + place] / FULL_SINGLE) * cube.largest;
    if (after === 0) return at(0);
    if (after < 0) return at(cube.nodes.length - 1);
    const share = (bin - cube.nodes[after - 1]) / (cube.nodes[after] - cube.nodes[after - 1]);
    return (1 - share) * at(after - 1) + share * at(after);
  };
  const spectrum = (place) => Float32Array.from(waves, (_, bin) => rest(bin, place) + smooth(bin, place));
  return { levels, spaxels, waves, widths, bin: widths[0], rest, smooth, spectrum };
}

const nearestOf = (values, wanted) => values.reduce((best, value, place) => (
  Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? place : best), 0);

globalThis.autospecCube = (cube, levels) => Narrow.receive(cube, levels);

// A click in the plot that is no drag. plotly covers the page while the button is down.
byId('plot').addEventListener('pointerdown', (start) => {
  const axis = byId('plot')._fullLayout?.xaxis;
  if (start.button !== 0 || !axis || !Source.data?.cube || start.target.closest('.modebar, .annotation')) return;
  const [left, top] = within(byId('plot'), start);
  const { _size: size } = byId('plot')._fullLayout;
  const isInside = left >= size.l && left <= size.l + size.w && top >= size.t && top <= size.t + size.h;
  if (!isInside) return;
  window.addEventListener('pointerup', (end) => {
    const moved = Math.hypot(end.clientX - start.clientX, end.clientY - start.clientY);
    if (moved < 3) Narrow.show(axis.p2d(left - axis._offset));
  }, { once: true, capture: true });
}, true);
