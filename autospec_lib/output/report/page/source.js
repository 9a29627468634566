'use strict';
// One source: name and position, spectra, pictures, the user's verdict.

const KEPT_IN_MEMORY = 30;  // sources
const PICTURES = {
  IMAGES: 'Images and segmentation maps', MASKS: 'Masks', SPECTRA: 'Spectra', XCOR: 'Cross-correlation maps',
  DEBLEND: 'Joint extraction', REDSHIFT: 'Redshift',
};

const QUALITY_BY_HAND = 2;  // of a redshift that was typed, or is from elsewhere, and has no other quality

const Source = {
  id: null,
  data: null,
  loaded: new Map(),
  typing: false,  // whether the field of the redshift holds something that is neither kept nor refused yet
  typed: undefined,  // the redshift in it, null for none, undefined for what is no redshift
  offer: null,  // which of the redshifts that the source may have is shown; null until the user asks for another one
  waiting: null,  // a key that needs the data of the source before they are there
  done: [],  // changes that can be undone: {id, before, after}
  gesture: '',  // what goes on changing the verdict: typing or dragging, which is undone as a whole
  options: { chosen: [], smooth: 0, band: true, sky: true, emission: true, absorption: false, model: true },

  /** Show a source; its data are loaded only now. */
  async open(id) {
    const row = Table.byId.get(id);
    if (!row) { announce(`there is no source ${id}`); location.hash = ''; return; }
    if (this.typing) this.leaveRedshift();
    const first = this.id === null;
    this.id = id;
    this.data = null;
    this.offer = null;
    this.waiting = null;
    this.gesture = '';
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
      const { waiting } = this;
      if (waiting) { waiting(); return; }
      await this.draw();
      for (const next of new Set([Table.toDo(id), Table.after(id, 1)])) {
        if (next !== undefined) this.load(Table.byId.get(next)).catch(() => {});
      }
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
    const candidates = raw.candidates.map((one) => ({ ...one, model: next() }));
    this.loaded.set(raw.id, { ...raw, wave: places, spectra, candidates, colours: Object.create(null) });
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
    data.shown = shown.length ? shown : [data.best[0]];
    byId('spectra').replaceChildren(...data.spectra.map((one) => this.choice(one)));
    Images.fill(data);
    byId('plot').hidden = false;
    byId('plotTools').hidden = false;
    for (const name of ['emission', 'absorption', 'slider', 'z']) byId(name).disabled = data.angstrom === null;
    byId('modelBox').hidden = !data.candidates.length;
    this.judge({ typing: this.typing });
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
      // As long as it is the recommended one, that of the next source is shown too.
      this.options.chosen = data.shown.join() === data.best[0] ? [] : data.shown;
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
    const model = this.modelShown();
    const z = this.redshiftShown();
    const reason = element('small', { title: 'Why it opens first' }, `recommended: ${data.best[1]}`);
    byId('legend').replaceChildren(
      ...data.shown.map((key) => element('span', {}, swatch(colourOf(data, key)), key,
        ...(key === data.best[0] ? [reason] : []))),
      ...(model ? [element('span', {}, swatch(colour('--model')), `model at z\u2009=\u2009${z}`)] : []),
      ...Narrow.legend(data));
    byId('width').textContent = options.smooth ? `${options.smooth}\u2009ch` : 'off';
    const all = { ...options, shown: data.shown, z, model, isStar: this.isStar() };
    await Spectrum.draw(data, all);
    if (this.data !== data) return;
    Zooms.draw(data, all);
    this.tell();
  },

  /** The model of the candidate at hand, null where it has none or its spectrum is not shown. */
  modelShown() {
    const { data, options, typed } = this;
    const offer = typed === undefined ? this.redshiftAtHand() : null;
    return options.model && offer?.model && data.shown.includes(data.modelled) ? offer.model : null;
  },

  isStar() {
    return (Verdicts.of(this.id).kind || this.redshiftAtHand()?.kind) === 'star';
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
    const { verdict, z, quality, kind, comment } = Verdicts.of(this.id);
    for (const button of byId('verdict').elements) button.checked = button.value === verdict;
    const known = this.redshiftAtHand()?.z ?? null;
    if (!typing) {
      byId('z').value = z ?? '';
      byId('z').setAttribute('aria-invalid', 'false');
    }
    byId('z').placeholder = known ?? 'none';
    byId('z').title = this.offers().length ? 'What is shown is kept only when you accept it' : '';
    byId('slider').value = known ?? 0;
    if (!typing) byId('comment').value = comment;
    byId('quality').value = quality ?? '';
    byId('class').value = kind;
    byId('candidates').replaceChildren(...this.offered());
    byId('candidates').hidden = !byId('candidates').children.length;
  },

  /**
   * Keep a changed verdict; the field in which the user is typing is not overwritten. Changes by one gesture, such as
   * dragging a line, are undone together.
   */
  change(part, { typing = false, gesture = '' } = {}) {
    if (this.id === null) return;
    const { id } = this;
    const before = Verdicts.of(id);
    Verdicts.change(id, part);
    const after = Verdicts.of(id);
    if (gesture && gesture === this.gesture) this.done.at(-1).after = after;
    else this.done.push({ id, before, after });
    this.gesture = gesture;
    this.judge({ typing });
    Table.redraw(id);
  },

  /** Take back the last change, and show the source that it was of. */
  undo() {
    const last = this.done.pop();
    if (!last) { announce('nothing to undo'); return; }
    const { id, before, after } = last;
    if (!Table.byId.has(id)) return;
    if (JSON.stringify(Verdicts.of(id)) !== JSON.stringify(after)) {
      announce(`source ${id} was changed elsewhere since: not undone`);
      return;
    }
    Verdicts.replace(id, before);
    Table.redraw(id);
    if (this.id !== null && this.id !== id) show(id);
    this.offer = null;
    this.gesture = '';
    if (this.id === id) { this.judge(); this.drawLines(); }
    announce(`source ${id}: undone`);
  },

  /** The redshifts that the source may have: the measured candidates, and those of catalogue and MARZ. */
  offers() {
    const { cells } = Table.byId.get(this.id);
    const measured = (this.data?.candidates ?? []).map((one, place) => (
      { ...one, key: String(place + 1), origin: place ? `Z${place + 1}` : 'Z', kind: CLASS_OF[one.type] ?? '' }));
    const others = [['Z_MARZ', 'MARZ'], ['Z_CATALOG', 'catalogue']].filter(([name]) => typeof cells[name] === 'number')
      .map(([origin, words]) => ({ z: cells[origin], origin, words, kind: '' }));
    return [...measured, ...others];
  },

  /** The redshift that the user asked for, else what is kept or known best, else the first candidate; null for none. */
  redshiftAtHand() {
    const offers = this.offers();
    if (this.offer !== null && offers[this.offer]) return offers[this.offer];
    const { z, origin } = Verdicts.of(this.id);
    const known = z === null ? knownRedshift(Table.byId.get(this.id)) : { z, origin };
    if (!known) return offers[0] ?? null;
    return offers.find((one) => one.origin === known.origin && same(one.z, known.z)) ?? { ...known, kind: '' };
  },

  /** A button for each redshift that the source may have, and what is said of them. */
  offered() {
    const shown = this.redshiftAtHand();
    const { z, origin } = Verdicts.of(this.id);
    const buttons = this.offers().map((one, place) => {
      const key = one.key ? [element('kbd', {}, one.key)] : [];
      const { quality } = one;
      const chance = one.p < 0.005 ? 'P\u2009<\u20090.01' : `P\u2009=\u2009${one.p?.toFixed(2)}`;
      const marks = [
        ...(one.key ? [element('span', {}, chance)] : []),
        ...(one.key === '1' ? [element('span', { class: `mark q${quality}` }, QUALITIES[quality])] : []),  // else 0
      ];
      const made = element('button', { type: 'button', class: 'offer', title: titleOf(one) }, ...key,
        element('b', {}, one.z.toFixed(one.error < 5e-5 ? 5 : 4)), element('span', {}, one.kind || one.words || ''),
        ...marks);
      made.setAttribute('aria-pressed', String(one.origin === shown?.origin && same(one.z, shown.z)));
      if (origin === one.origin && z !== null && same(z, one.z)) made.classList.add('accepted');
      made.onclick = () => { this.look(place); byId('name').focus({ preventScroll: true }); };
      return made;
    });
    const facts = this.data?.facts ?? [];
    const remarks = facts.flatMap(([card, found]) => (Object.hasOwn(REMARKS, card) ? [REMARKS[card](found)] : []));
    return [...buttons, ...(remarks.length ? [element('p', { class: 'remark' }, remarks.join('; '))] : [])];
  },

  /** Show the lines and the model of another redshift that the source may have, without keeping it. */
  look(place) {
    this.offer = place;
    this.typing = false;
    this.typed = undefined;
    this.judge();
    this.drawLines();
  },

  /** Show the next or the previous redshift that the source may have. */
  lookFurther(places) {
    const offers = this.offers();
    if (!offers.length) { announce('this source has no redshift to choose from'); return; }
    const shown = this.redshiftAtHand();
    const place = offers.findIndex((one) => one.origin === shown?.origin && same(one.z, shown.z));
    this.look((place + places + offers.length) % offers.length);
  },

  /** Do something now, or as soon as the data of the source are there. */
  whenLoaded(action) {
    const kind = kindOf(Table.byId.get(this.id));
    if (this.data || kind === 'failed' || kind === 'waiting') action(); else this.waiting = action;
  },

  /**
   * Accept a redshift: the candidate of this number from 1, or the one that is shown unless the source has a verdict.
   * Then go on.
   */
  accept(number) {
    this.whenLoaded(() => {
      const isFinished = number === undefined && this.offer === null && Verdicts.isDone(this.id);
      if (isFinished) { this.goOn(); return; }
      const offers = this.offers();
      const chosen = number === undefined ? this.redshiftAtHand() : offers.filter((one) => one.key)[number - 1];
      if (!chosen) {
        announce(number === undefined ? 'this source has no redshift to accept; 0: it has none'
          : `this source has no candidate ${number}`);
        return;
      }
      this.change({ verdict: 'good', ...this.accepted(chosen) });
      announce(`source ${this.id}: redshift ${chosen.z} (${originWords(chosen.origin)})`);
      this.goOn();
    });
  },

  /** What is kept with a redshift that is accepted; quality and class that were set before it stay. */
  accepted({ z, origin, quality, kind }) {
    const kept = Verdicts.of(this.id);
    const before = kept.z === null || (kept.origin === origin && same(kept.z, z)) ? kept : NO_VERDICT;
    return {
      z,
      origin,
      quality: before.quality || Math.max(1, quality ?? QUALITY_BY_HAND),
      kind: before.kind && before.kind !== 'nothing' ? before.kind : kind,
    };
  },

  /** Keep that the source has no redshift, and go on. */
  acceptNone() {
    this.quality(0);
    this.goOn();
  },

  /** Keep the quality of the redshift; 0 stands for no redshift. */
  quality(quality) {
    this.change({ ...(quality === 0 ? { z: null, origin: null } : this.withoutNothing()), quality });
    this.drawLines();
    announce(`source ${this.id}: quality ${quality === null ? 'not set' : `${quality}, ${QUALITIES[quality]}`}`);
  },

  /** What changes in a verdict that there is no redshift, or nothing, when there is one after all. */
  withoutNothing() {
    const { quality, kind } = Verdicts.of(this.id);
    return { quality: quality || null, kind: kind === 'nothing' ? '' : kind };
  },

  /** Keep what the source is; where there is nothing there is no redshift. */
  kind(kind) {
    this.change(kind === 'nothing' ? { kind, quality: 0, z: null, origin: null } : { kind });
    this.drawLines();
    announce(`source ${this.id}: ${kind || 'no class'}`);
  },

  /** Go to the next source without a verdict. */
  goOn() {
    const next = Table.toDo(this.id);
    if (next !== undefined) { show(next); return; }
    this.offer = null;
    this.judge();
    this.drawLines();
    announce('every source of the table has a verdict');
  },

  /** Keep a verdict. If a source is good and has no redshift of the user's, the one that is shown is kept with it. */
  verdict(verdict) {
    const { z, origin } = Verdicts.of(this.id);
    const row = Table.byId.get(this.id);
    const known = this.offer !== null || knownRedshift(row) ? this.redshiftAtHand() : null;  // no improbable candidate
    const accepts = verdict === 'good' && z === null && known !== null;
    const undone = verdict !== 'good' && ![null, USER].includes(origin)
      ? { z: null, origin: null, quality: null, kind: '' } : {};
    this.change({ verdict, ...(accepts ? this.accepted(known) : {}), ...undone });
    this.drawLines();
    const redshift = accepts ? `, redshift ${known.z} (${originWords(known.origin)})` : '';
    announce(`source ${this.id}: ${verdict || 'no verdict'}${redshift}`);
  },

  /** Keep a new redshift of the user's, null for none. */
  redshift(z, gesture = '') {
    this.typing = false;
    this.typed = undefined;
    this.offer = null;
    const { origin, verdict } = Verdicts.of(this.id);
    const quality = verdict === 'good' && z !== null ? QUALITY_BY_HAND : null;
    let about = {};
    if (origin !== null && origin !== USER) about = { quality, kind: '' };  // they were those of a candidate
    else if (z !== null) about = this.withoutNothing();
    this.change({ z, origin: z === null ? null : USER, ...about }, { gesture });
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
    if (this.typed === undefined) return this.redshiftAtHand()?.z ?? null;
    return this.typed ?? knownRedshift(Table.byId.get(this.id))?.z ?? null;
  },

  /** Draw the lines anew, at most once per frame of the screen. */
  drawLines() {
    if (!this.data) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (!this.data) return;  // closed meanwhile
      if (Spectrum.data !== this.data || Spectrum.options.model !== this.modelShown()) { this.draw(); return; }
      Object.assign(Spectrum.options, { z: this.redshiftShown(), isStar: this.isStar() });
      Spectrum.overlay();
      Zooms.draw(this.data, Spectrum.options);
      this.tell();
    });
  },
};

// What cards of the header say of the redshift.
const REMARKS = {
  ZNOTE: (found) => found,
  ZBLEND: (found) => `a second source in the spectrum has redshift ${found}`,
  ZNEIGHB: (found) => `its neighbour ${found} has the same redshift`,
};

/** Whether two redshifts are the same but for the digits in which they are written. */
const same = (a, b) => Math.abs(a - b) < 1e-6 * (1 + Math.abs(a));

const originWords = (origin) => (
  { Z_CATALOG: 'catalogue', Z_MARZ: 'MARZ', [USER]: 'yours' }[origin] ?? `candidate ${origin.slice(1) || 1}`);

/** What a redshift is that a source may have, in words. */
function titleOf({ z, error, p, quality, key, words, kind }) {
  if (!key) return `redshift ${z} of ${words}; click to look at it`;
  return `candidate ${key}${kind ? `, ${kind}` : ''}: redshift ${z} ± ${readable(error, 2)}, probability ${p}, `
    + `quality ${quality}; click to look at it, press ${key} to accept it`;
}

const swatch = (background) => {
  const made = element('i', { class: 'swatch', 'aria-hidden': 'true' });
  made.style.background = background;
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
