'use strict';
// One source: name and position, spectra, pictures, the user's verdict.

const KEPT_IN_MEMORY = 30;  // sources
const PICTURES = {
  IMAGES: 'Images and segmentation maps', MASKS: 'Masks', SPECTRA: 'Spectra', XCOR: 'Cross-correlation maps',
  DEBLEND: 'Joint extraction',
};

const Source = {
  id: null,
  data: null,
  loaded: new Map(),
  typing: false,  // whether the field of the redshift holds something that is neither kept nor refused yet
  typed: undefined,  // the redshift in it, null for none, undefined for what is no redshift
  options: { chosen: [], smooth: 0, band: true, sky: true, emission: true, absorption: false },

  /** Show a source; its data are loaded only now. */
  async open(id) {
    const row = Table.byId.get(id);
    if (!row) { announce(`there is no source ${id}`); location.hash = ''; return; }
    if (this.typing) this.leaveRedshift();
    const first = this.id === null;
    this.id = id;
    this.data = null;
    document.body.classList.add('open');
    byId('source').hidden = false;
    byId('source').scrollTo(0, 0);
    Table.mark(id);
    this.head(row);
    this.judge();
    if (first || !byId('source').contains(document.activeElement)) byId('name').focus({ preventScroll: true });
    try {
      const data = await this.load(row);
      if (this.id !== id) return;  // the user has gone on
      this.data = data;
      byId('hint').textContent = '';
      this.fill(row);
      await this.draw();
      const next = Table.byId.get(Table.after(id, 1));
      if (next) this.load(next).catch(() => {});
    } catch (error) {
      if (this.id === id) this.without(row, error);
    }
  },

  close() {
    if (this.typing) this.leaveRedshift();
    const { id } = this;
    this.id = null;
    this.data = null;
    Field.later();
    document.body.classList.remove('open');
    byId('source').hidden = true;
    document.title = Report.name;
    Table.byId.get(id)?.element?.querySelector('a')?.focus();
  },

  /** The data of a row's source, from the file beside the page. */
  async load(row) {
    if (kindOf(row) === 'failed' || kindOf(row) === 'waiting') throw new Error('');
    if (!this.loaded.has(row.id)) {
      await loadScript(address(`report/data/${row.file}`));
      while (this.loaded.size > KEPT_IN_MEMORY) this.loaded.delete(this.loaded.keys().next().value);
    }
    const data = this.loaded.get(row.id);
    if (!data) throw new Error(`the data of source ${row.id} cannot be read`);
    return data;
  },

  /** Called by a source's file of data. */
  receive(raw, base64) {
    const { wave } = raw;
    const places = wave.values ? decoded(wave.values, Float64Array)
      : Float64Array.from({ length: wave.number }, (_, place) => wave.start + place * wave.step);
    const numbers = decoded(base64);
    let row = 0;
    const next = () => numbers.subarray(row * places.length, (row += 1) * places.length);
    const spectra = raw.spectra.map((one) => ({ ...one, flux: next(), error: one.errors ? next() : null }));
    this.loaded.set(raw.id, { ...raw, wave: places, spectra, colours: Object.create(null) });
  },

  head(row) {
    const { RA, DEC } = row.cells;
    document.title = `${row.id} · ${Report.name}`;
    byId('name').textContent = `Source ${row.id}`;
    byId('state').textContent = statusWords(row);
    byId('state').className = `chip ${kindOf(row)}`;
    const notes = [row.cells.ERROR, row.cells.NOTES].filter(Boolean);
    byId('notes').replaceChildren(...notes.map((note) => element('li', { class: kindOf(row) }, note)));
    byId('position').replaceChildren(...(typeof RA === 'number' ? positionOf(RA, DEC) : []));
    byId('previous').disabled = !Table.after(row.id, -1);
    byId('next').disabled = !Table.after(row.id, 1);
    byId('facts').replaceChildren(...Table.columns.flatMap((column) => fact(row, column)));
    byId('measured').replaceChildren();
  },

  fill(row) {
    const { data } = this;
    const { file, ...pictures } = data.links;
    byId('pictures').hidden = !Object.keys(pictures).length;
    byId('pictures').replaceChildren(...Object.entries(pictures).map(([key, path]) => picture(row.id, key, path)));
    byId('facts').replaceChildren(
      ...Table.columns.flatMap((column) => fact(row, column)),
      ...data.facts.flatMap(([card, found, text]) => (
        pair(card, typeof found === 'number' ? readable(found) : found, text))),
      ...(file ? pair('FILE', element('a', { href: address(file) }, file), 'the FITS file') : []),
    );
    byId('measured').replaceChildren(...measured(row));
    const shown = this.options.chosen.filter((key) => data.spectra.some((one) => one.key === key));
    data.shown = shown.length ? shown : [data.reference];
    byId('spectra').replaceChildren(...data.spectra.map((one) => this.choice(one)));
    Images.fill(data);
    byId('plot').hidden = false;
    byId('plotTools').hidden = false;
    for (const name of ['emission', 'absorption', 'slider', 'z']) byId(name).disabled = data.angstrom === null;
    if (data.angstrom) {
      const red = Math.max(data.wave[0], data.wave.at(-1)) * data.angstrom;
      byId('slider').max = Math.max(0.1, red / 1215.67 - 1).toFixed(2);
    }
  },

  choice(one) {
    const { data } = this;
    const box = element('input', { type: 'checkbox', checked: data.shown.includes(one.key) });
    box.onchange = () => {
      const keys = data.shown.filter((key) => key !== one.key);
      data.shown = box.checked ? [...keys, one.key] : keys;
      this.options.chosen = data.shown;
      this.draw();
    };
    return element('label', { title: one.about }, box, element('span', {}, one.key),
      element('small', {}, one.about));
  },

  /** Show why there is nothing to plot: the source failed, or its data are missing. */
  without(row, error) {
    byId('plot').hidden = true;
    byId('plotTools').hidden = true;
    Images.clear();
    byId('pictures').hidden = true;
    const failed = kindOf(row) === 'failed' ? 'This source was not extracted.' : 'This source has not been reached.';
    byId('hint').textContent = error.message ? `${error.message}; run AutoSpec --resume to write them again.` : failed;
  },

  /** Plot the chosen spectra. */
  async draw() {
    const { data, options } = this;
    if (!data) return;
    byId('legend').replaceChildren(...data.shown.map((key) => (
      element('span', {}, swatch(data, key), key))), ...Narrow.legend(data));
    byId('width').textContent = options.smooth ? `${options.smooth}\u2009ch` : 'off';
    await Spectrum.draw(data, { ...options, shown: data.shown, z: this.redshiftShown() });
    if (this.data === data) this.tell();
  },

  /** The plot in words. */
  tell() {
    const z = this.redshiftShown();
    const unit = this.data.wave_unit;
    const ends = [this.data.wave[0], this.data.wave.at(-1)].map((end) => readable(end, 5));
    const lines = z === null ? [] : EMISSION.filter(([, rest]) => {
      const seen = Spectrum.frame.seen(rest, z);
      return seen > this.data.wave[0] && seen < this.data.wave.at(-1);
    }).map(([label]) => label);
    byId('plot').setAttribute('aria-label', `Spectra ${this.data.shown.join(', ')} from ${ends.join(' to ')} ${unit}`
      + (z === null ? '' : `; lines at redshift ${z}: ${lines.join(', ') || 'none'}`));
    byId('hint').textContent = z === null ? 'Type or drag a redshift to see lines.' : '';
  },

  /** Show the kept verdict. */
  judge({ typing = false } = {}) {
    const { verdict, z, comment } = Verdicts.of(this.id);
    for (const button of byId('verdict').elements) button.checked = button.value === verdict;
    const known = redshiftOf(Table.byId.get(this.id));
    if (!typing) {
      byId('z').value = z ?? '';
      byId('z').setAttribute('aria-invalid', 'false');
    }
    byId('z').placeholder = known ?? 'none';
    byId('slider').value = known ?? 0;
    if (!typing) byId('comment').value = comment;
  },

  /** Keep a changed verdict; the field in which the user is typing is not overwritten. */
  change(part, how) {
    if (this.id === null) return;
    Verdicts.change(this.id, part);
    this.judge(how);
    Table.redraw(this.id);
  },

  /** Keep a verdict. If a source is good and has no redshift of the user's, the one that is shown is kept with it. */
  verdict(verdict) {
    const { z, origin } = Verdicts.of(this.id);
    const known = knownRedshift(Table.byId.get(this.id));
    const accepts = verdict === 'good' && z === null && known !== null;
    const accepted = accepts ? { z: known.z, origin: known.origin } : {};
    const undone = verdict !== 'good' && ![null, USER].includes(origin) ? { z: null, origin: null } : {};
    this.change({ verdict, ...accepted, ...undone });
    this.drawLines();
    const redshift = accepts ? `, redshift ${known.z} (${known.origin})` : '';
    announce(`source ${this.id}: ${verdict || 'no verdict'}${redshift}`);
  },

  /** Keep a new redshift of the user's, null for none. */
  redshift(z) {
    this.typing = false;
    this.typed = undefined;
    this.change({ z, origin: z === null ? null : USER });
    this.drawLines();
  },

  /** Show the lines for what is being typed; it is kept when the field is left. */
  preview(text) {
    const z = parsedRedshift(text);
    byId('z').setAttribute('aria-invalid', String(z === undefined));
    this.typing = true;
    this.typed = z;
    this.drawLines();
  },

  /** Give back what is kept in place of what was typed. */
  forget() {
    this.typing = false;
    this.typed = undefined;
    this.judge();
    this.drawLines();
  },

  /** Keep what was typed into the field for the redshift, or say what is wrong with it. */
  leaveRedshift() {
    if (this.id === null || !this.typing) return;
    const text = byId('z').value;
    const z = parsedRedshift(text);
    if (z !== undefined) {
      this.redshift(z);
      return;
    }
    this.typing = false;
    announce(`the redshift ${text} is not kept: expected a number from ${LEAST_Z} to ${LARGEST_Z}`);
  },

  /** The redshift for which lines are drawn: what is being typed, else what is kept or known. */
  redshiftShown() {
    const row = Table.byId.get(this.id);
    return this.typed === undefined ? redshiftOf(row) : this.typed ?? knownRedshift(row)?.z ?? null;
  },

  /** Draw the lines anew, at most once per frame of the screen. */
  drawLines() {
    if (!this.data) return;
    Spectrum.options.z = this.redshiftShown();
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (!this.data) return;  // closed meanwhile
      Spectrum.overlay();
      this.tell();
    });
  },
};

const swatch = (data, key) => {
  const made = element('i', { class: 'swatch', 'aria-hidden': 'true' });
  made.style.background = colourOf(data, key);
  return made;
};

function picture(id, key, path) {
  const words = PICTURES[key] ?? key;
  const image = element('img', { src: address(path), alt: `${words} of source ${id}`, loading: 'lazy' });
  const link = element('a', { href: address(path), target: '_blank', rel: 'noopener noreferrer' }, image);
  return element('figure', { class: key.toLowerCase() }, element('figcaption', {}, words), link);
}

/** A row for each spectrum in the summary: key, signal-to-noise ratio, median flux. */
function measured(row) {
  const names = Table.columns.filter(({ name }) => name.startsWith('FLUX_') && typeof row.cells[name] === 'number');
  const unit = names[0]?.unit;
  const head = ['Spectrum', 'S/N', `Median flux${unit ? ` (${unit})` : ''}`]
    .map((word) => element('th', { scope: 'col' }, word));
  const rows = names.map(({ name }) => {
    const key = name.slice('FLUX_'.length);
    const ratio = row.cells[`SN_${key}`];
    return element('tr', {}, element('th', { scope: 'row' }, key),
      element('td', { class: 'number' }, typeof ratio === 'number' ? ratio.toFixed(1) : ''),
      element('td', { class: 'number' }, readable(row.cells[name])));
  });
  return rows.length ? [element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows)] : [];
}

/** A measured value and what it is, as a term and its description. */
function fact(row, column) {
  const { name, unit, text, number } = column;
  const found = row.cells[name];
  if (found === null || found === undefined || found === '' || ['NOTES', 'ERROR', 'STATUS', 'FILE', 'SN'].includes(name)
    || /^(SN|FLUX)_/.test(name)) {
    return [];
  }
  const words = number ? readable(found, name === 'RA' || name === 'DEC' ? 10 : 4) : String(found);
  return pair(name, unit ? `${words} ${unit}` : words, text);
}

const pair = (name, words, text) => [
  element('div', { title: text }, element('dt', {}, name), element('dd', {}, words)),
];

/** Coordinates to copy, and links that are followed only when the user clicks. */
function positionOf(ra, dec) {
  const [east, north] = [ra.toFixed(6), dec.toFixed(6)];
  const degrees = `${east} ${north}`;
  const sexagesimal = `${sixty(ra / 15, 2)} ${dec < 0 ? '-' : '+'}${sixty(Math.abs(dec), 1)}`;
  const place = encodeURIComponent(`${east}${dec < 0 ? '' : '+'}${north}`);
  const circle = `in_csys=Equatorial&in_equinox=J2000&ra=${east}d&dec=${north}d&radius=0.083`;
  const links = [
    ['Legacy Survey', `https://www.legacysurvey.org/viewer?ra=${east}&dec=${north}&zoom=16&mark=${east},${north}`],
    ['SIMBAD', `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${place}&Radius=5&Radius.unit=arcsec`],
    ['NED', `https://ned.ipac.caltech.edu/conesearch?${circle}`],
  ];
  const button = (text) => (
    element('button', { type: 'button', class: 'copy', title: 'Copy', onclick: () => copy(text, text) }, text));
  return [
    button(degrees), button(sexagesimal),
    ...links.map(([name, href]) => element('a', { href, target: '_blank', rel: 'noopener noreferrer' }, name)),
  ];
}

/** Hours or degrees as 12:34:56.78, rounded before it is split, so that the seconds are never 60. */
function sixty(value, decimals) {
  const scale = 10 ** decimals;
  const all = Math.round(value * 3600 * scale);
  const two = (number) => String(number).padStart(2, '0');
  const seconds = ((all / scale) % 60).toFixed(decimals).padStart(decimals + 3, '0');
  return `${two(Math.floor(all / scale / 3600))}:${two(Math.floor(all / scale / 60) % 60)}:${seconds}`;
}
