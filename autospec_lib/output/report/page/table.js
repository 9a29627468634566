'use strict';
// The table of all sources: sorting, filtering, moving through it with the keys.

const PICTURE_COLUMNS = [
  { name: 'IMAGE', label: 'Image', text: 'White light, and the cross-correlation map', plain: true },
  { name: 'OUTLINE', label: 'Spectrum', text: 'Outline of the reference spectrum, without sky lines', plain: true },
];
const VERDICT_COLUMN = { name: 'VERDICT', label: 'Verdict', text: 'Your verdict, redshift, its quality and class' };
const LABELS = {
  STATUS: 'Status', NOTES: 'Notes', SN: 'S/N', MAG_WHITE: 'Mag', FWHM_WHITE: 'FWHM',
  MASK_NPIX: 'Spaxels', MASK_AREA: 'Mask area', LEAKAGE: 'Leakage', GRADE: 'Grade', BEST: 'Best',
};
const SHOWN_FIRST = ['IMAGE', 'OUTLINE', 'ID', 'STATUS', 'SN', 'MAG_WHITE', 'FWHM_WHITE', 'NOTES', 'VERDICT'];
const DECIMALS = { RA: 6, DEC: 6, SN: 1, MAG_WHITE: 2, FWHM_WHITE: 2, SECONDS: 2 };
const GRADES = { A: 'done', B: 'done', C: 'noted' };  // the colours of a status
const CHUNK = 100;  // rows
const LARGE_IS_GOOD = /^(SN|FLUX)(_|$)/;  // columns in which the best are the largest
// Why a source that was extracted has no value.
const EMPTY = {
  MAG_WHITE: 'the flux is not positive, or its unit is no flux density',
  FWHM_WHITE: 'it is not detected in white light',
  NEIGHBOURS: 'DEBLEND is off',
  LEAKAGE: 'DEBLEND is off, or it has no neighbours',
};
const COMPARISON = /^([\p{L}_][\w/.-]*)(<=|>=|<|>|=|:)(.+)$/u;

const Table = {
  columns: [],
  rows: [],  // in the order of the catalogue
  view: [],  // those that are shown, in the order of the table
  byId: new Map(),
  sort: { name: '', down: false },
  shown: new Set(SHOWN_FIRST),

  /** Take over the table that the run has written: {run, columns, rows, previews, verdicts}. */
  fill(table) {
    const columns = table.columns.map(([name, unit, text, number]) => (
      { name, unit, text, number, label: LABELS[name] ?? name.replaceAll('_', ' ') }));
    const last = ({ name }) => name === 'NOTES';
    this.columns = [
      ...PICTURE_COLUMNS, ...columns.filter((one) => !last(one)), VERDICT_COLUMN, ...columns.filter(last),
    ];
    const names = table.columns.map(([name]) => name);
    this.rows = table.rows.map((values, index) => {
      const cells = Object.fromEntries(names.map((name, place) => [name, values[place]]));
      const [thumb, outline, file] = table.previews[index];
      return { id: String(cells.ID), index, cells, thumb, outline, file, element: null };
    });
    this.byId = new Map(this.rows.map((row) => [row.id, row]));
    this.shown = new Set(Store.get('columns', SHOWN_FIRST));
    drawHead(this);
    this.refresh();
  },

  /** Filter, sort and draw again. */
  refresh() {
    const { tests, faults } = filterTests(byId('filter').value, this.columns);
    const status = byId('status').value;
    const { name, down } = this.sort;
    const judged = byId('judged').value;
    this.view = this.rows.filter((row) => (
      (!status || kindOf(row) === status) && isJudged(row, judged) && tests.every((test) => test(row))));
    byId('filterFault').hidden = !faults.length;
    byId('filterFault').textContent = faults.join('; ');
    if (name) this.view.sort((a, b) => compared(value(a, name), value(b, name), down) || a.index - b.index);
    byId('rows').replaceChildren();
    this.drawMore();
    const sources = this.rows.length === 1 ? '1 source' : `${this.rows.length} sources`;
    byId('count').textContent = this.view.length === this.rows.length ? sources : `${this.view.length} of ${sources}`;
    byId('empty').hidden = this.view.length > 0;
    Field.later();
    this.count();
  },

  /** Say how many sources have a verdict, and how many of those with a spectrum are left. */
  count() {
    const judged = this.rows.filter((row) => Verdicts.isDone(row.id));
    const left = this.rows.filter(isToDo).length;
    byId('work').hidden = !judged.length && !Verdicts.all.size;
    byId('left').textContent = `${judged.length} done, ${left ? `${left} left` : 'none left'}`;
    const all = judged.length + left || 1;
    const parts = [3, 2, 1, 0, null].map((quality) => {
      const number = judged.filter((row) => Verdicts.of(row.id).quality === quality).length;
      const made = element('i', { class: `q${quality}` });
      made.style.width = `${(100 * number) / all}%`;
      return [number, quality, made];
    });
    byId('share').replaceChildren(...parts.map(([, , made]) => made));
    byId('share').title = parts.filter(([number]) => number)
      .map(([number, quality]) => `${number} ${quality === null ? 'without a quality' : `of quality ${quality}`}`)
      .join(', ');
    byId('share').setAttribute('aria-label', `${byId('left').textContent}: ${byId('share').title}`);
  },

  /** Draw more rows, at least up to this position; a browser needs a second for a thousand rows. */
  drawMore(place = 0) {
    const drawn = byId('rows').children.length;
    const rows = this.view.slice(drawn, Math.max(drawn, place) + CHUNK);
    byId('rows').append(...rows.map((row) => (row.element ??= drawnRow(this, row))));
    byId('more').hidden = byId('rows').children.length >= this.view.length;
  },

  /** Draw a row again, after its verdict has changed. */
  redraw(id) {
    this.count();
    const row = this.byId.get(id);
    Field.later();
    if (!row?.element) return;
    const next = drawnRow(this, row);
    if (row.element.classList.contains('current')) next.classList.add('current');
    row.element.replaceWith(next);
    row.element = next;
  },

  /** Sort by a column: the best first if that is known, then the other way round, then as in the catalogue. */
  sortBy(name) {
    const best = LARGE_IS_GOOD.test(name);
    if (this.sort.name !== name) this.sort = { name, down: best };
    else if (this.sort.down === best) this.sort = { name, down: !best };
    else this.sort = { name: '', down: false };
    drawHead(this);
    this.refresh();
    byId('head').querySelector(`[data-name="${CSS.escape(name)}"]`).focus();
  },

  /** The source that follows another one by this many rows in the table as shown; undefined beyond its ends. */
  after(id, places) {
    const place = this.view.findIndex((row) => row.id === id);
    return place < 0 ? this.view[0]?.id : this.view[place + places]?.id;
  },

  /** The next source without a verdict, after this one and then from the beginning of the table as shown. */
  toDo(id) {
    const place = this.view.findIndex((row) => row.id === id);
    return [...this.view.slice(place + 1), ...this.view.slice(0, place + 1)].find(isToDo)?.id;
  },

  mark(id) {
    Field.bringIn(id);
    for (const row of byId('rows').querySelectorAll('.current')) {
      row.classList.remove('current');
      row.removeAttribute('aria-current');
    }
    const place = this.view.findIndex((row) => row.id === id);
    if (place >= byId('rows').children.length) this.drawMore(place);
    const made = place < 0 ? null : this.view[place].element;
    made?.classList.add('current');
    made?.setAttribute('aria-current', 'true');
    made?.scrollIntoView({ block: 'nearest' });
  },

  /** Move the focus up or down the rows. */
  step(places) {
    const focused = document.activeElement?.closest('#rows tr');
    const place = focused ? [...byId('rows').children].indexOf(focused) + places : 0;
    if (place >= byId('rows').children.length) this.drawMore();
    const next = byId('rows').children[place];
    next?.querySelector('a')?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  },

  choose(name, wanted) {
    if (wanted) this.shown.add(name); else this.shown.delete(name);
    Store.set('columns', [...this.shown]);
    for (const row of this.rows) row.element = null;
    drawHead(this);
    this.refresh();
  },
};

/** The value by which a row is sorted and filtered. */
function value(row, name) {
  if (name === 'VERDICT') return Verdicts.of(row.id).verdict || null;
  if (name === 'QUALITY') return Verdicts.of(row.id).quality;
  if (name === 'CLASS') return Verdicts.of(row.id).kind;
  if (name === 'Z') return redshiftOf(row);
  if (name === 'NOTES') return row.cells.ERROR || row.cells.NOTES;
  return row.cells[name];
}

/**
 * The redshift of a source in the table and the column that it is in, null where it has none: that of MARZ, else the
 * measured one if it is probable at least, else that of the catalogue, else a measured one that is possible.
 */
function knownRedshift(row) {
  const isProbable = row.cells.ZQUAL >= 2;
  const order = isProbable ? ['Z_MARZ', 'Z', 'Z_CATALOG'] : ['Z_MARZ', 'Z_CATALOG', 'Z'];
  const origin = order.find((name) => typeof row.cells[name] === 'number');
  return origin ? { z: row.cells[origin], origin } : null;
}

/** The redshift of a source: the user's, else what the table has. */
function redshiftOf(row) {
  return Verdicts.of(row.id).z ?? knownRedshift(row)?.z ?? null;
}

/** Order: numbers by size, text alphabetically, missing values last. */
function compared(a, b, down) {
  const missing = (one) => one === null || one === undefined || one === '';
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b
    : String(a).localeCompare(String(b), undefined, { numeric: true });
  return down ? -order : order;
}

/** Tests that a row must pass, one for each word and comparison (sn>5, verdict:good), and what is wrong with others. */
function filterTests(text, columns) {
  const names = new Map(columns.flatMap(({ name, label }) => (
    [[name.toLowerCase(), name], [label.toLowerCase().replaceAll(' ', '_'), name]])));
  for (const name of ['z', 'quality', 'class']) names.set(name, name.toUpperCase());
  const tests = [];
  const faults = [];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const [, name, sign, bound] = COMPARISON.exec(word) ?? [];
    const column = names.get(name?.toLowerCase());
    if (column && /^[<>]/.test(sign) && !NUMBER.test(bound)) {
      faults.push(`${word}: ${bound} is not a number`);
    } else if (column) {
      tests.push((row) => holds(value(row, column), sign, bound));
    } else if (/^(<=|>=|<|>|=)/.test(word)) {
      faults.push(`${word}: no column before it; write sn${word === '>' ? '>5' : word} without blanks`);
    } else if (/(<=|>=|<|>|=)$/.test(word)) {
      faults.push(`${word}: no number behind it; write ${word}5 without blanks`);
    } else if (sign && sign !== ':') {
      const near = [...names.keys()].filter((one) => one.startsWith(name[0].toLowerCase())).slice(0, 8).join(', ');
      faults.push(`no column ${name}${near ? `; there are ${near}` : ''}`);
    } else {
      tests.push((row) => searchable(row).includes(word.toLowerCase()));
    }
  }
  return { tests, faults };
}

function holds(found, sign, bound) {
  if (found === null || found === undefined || found === '') return false;
  const number = Number(bound);
  if (sign === ':' || (sign === '=' && typeof found !== 'number')) {
    return String(found).toLowerCase().includes(bound.toLowerCase());
  }
  if (Number.isNaN(number)) return false;
  return {
    '<': found < number, '>': found > number, '<=': found <= number, '>=': found >= number, '=': found === number,
  }[sign];
}

function searchable(row) {
  const { verdict, kind, comment } = Verdicts.of(row.id);
  row.words ??= ['ID', 'STATUS', 'NOTES', 'ERROR', 'REFERENCE', 'MASK', 'FILE']
    .map((name) => row.cells[name] ?? '').join(' ').toLowerCase();
  return `${row.words} ${verdict} ${kind.toLowerCase()} ${comment.toLowerCase()}`;
}

/** Whether a source has a spectrum and no verdict. */
const isToDo = (row) => ['done', 'noted'].includes(kindOf(row)) && !Verdicts.isDone(row.id);

/** Whether a source is in a choice of the menu: 'todo', 'done', a quality, or '' for all. */
function isJudged(row, choice) {
  if (choice === 'todo') return isToDo(row);
  if (choice === 'done') return Verdicts.isDone(row.id);
  return choice === '' || Verdicts.of(row.id).quality === Number(choice);
}

/** 'failed', 'waiting', 'noted' or 'done'. */
function kindOf(row) {
  const { STATUS, NOTES } = row.cells;
  if (STATUS === 'failed') return 'failed';
  if (STATUS === 'not reached') return 'waiting';
  return NOTES ? 'noted' : 'done';
}

const statusWords = (row) => (row.cells.STATUS ?? '') + (kindOf(row) === 'noted' ? ', noted' : '');

function visible(table) {
  return table.columns.filter(({ name }) => table.shown.has(name));
}

function drawHead(table) {
  byId('head').replaceChildren(...visible(table).map((column) => {
    const { name, unit, label, text, number } = column;
    const kind = `c-${name.toLowerCase()}${number ? ' number' : ''}`;
    const cell = element('th', { scope: 'col', title: text, class: kind });
    const words = [label, ...(unit ? [element('span', { class: 'unit' }, unit)] : [])];
    if (column.plain) {
      cell.append(...words);
      return cell;
    }
    const sorted = table.sort.name === name;
    cell.setAttribute('aria-sort', sorted ? (table.sort.down ? 'descending' : 'ascending') : 'none');
    const sign = sorted ? (table.sort.down ? '▼' : '▲') : '';
    const arrow = element('span', { class: 'arrow', 'aria-hidden': 'true' }, sign);
    const onclick = () => table.sortBy(name);
    cell.append(element('button', { type: 'button', 'data-name': name, onclick }, ...words, arrow));
    return cell;
  }));
}

function drawnRow(table, row) {
  const cells = visible(table).map((column) => {
    const cell = element('td', { class: `c-${column.name.toLowerCase()}${column.number ? ' number' : ''}` });
    const inside = content(row, column);
    cell.append(...inside);
    if (!inside.length) cell.title = whyEmpty(row, column);
    return cell;
  });
  const made = element('tr', { class: kindOf(row) }, ...cells);
  made.dataset.id = row.id;
  return made;
}

/** The content of a cell. */
function content(row, { name, number }) {
  const found = row.cells[name];
  if (name === 'ID') return [element('a', { href: `#${encodeURIComponent(row.id)}` }, row.id)];
  if (name === 'IMAGE') return row.thumb ? [element('img', { src: row.thumb, alt: '', decoding: 'async' })] : [];
  if (name === 'OUTLINE') return row.outline ? [outlined(row.outline)] : [];
  if (name === 'STATUS') return [element('span', { class: `chip ${kindOf(row)}` }, statusWords(row))];
  if (name === 'GRADE' && found) return [element('span', { class: `chip ${GRADES[found] ?? ''}` }, found)];
  if (name === 'VERDICT') return verdictWords(row.id);
  if (name === 'NOTES') {
    const text = row.cells.ERROR || row.cells.NOTES || '';
    return text === '' ? [] : [element('span', { class: 'clamped', title: text }, text)];
  }
  if (number && typeof found === 'number') {
    return [name in DECIMALS ? found.toFixed(DECIMALS[name]).replace('-', '\u2212') : readable(found)];
  }
  if (found === null || found === undefined || found === '') return [];
  return [element('span', { class: 'clamped', title: found }, String(found))];
}

/** Why a cell is empty. */
function whyEmpty(row, { name }) {
  const kind = kindOf(row);
  if (name === 'VERDICT') return 'no verdict yet';
  if (name === 'NOTES') return 'no notes';
  if (name === 'ERROR') return 'it did not fail';
  if (kind === 'failed') return 'it was not extracted';
  if (kind === 'waiting') return 'it has not been reached';
  return EMPTY[name] ?? 'not measured for this source';
}

function verdictWords(id) {
  const { verdict, z, quality, kind } = Verdicts.of(id);
  const words = [
    ...(verdict ? [element('span', { class: `verdict ${verdict}` }, verdict)] : []),
    ...(quality === null ? [] : [
      element('span', { class: `mark q${quality}`, title: `quality: ${QUALITIES[quality]}` }, String(quality)),
    ]),
    ...(quality === 0 ? [element('span', { class: 'redshift' }, 'no redshift')] : []),
    ...(z === null ? [] : [element('span', { class: 'redshift', title: String(z) }, `z ${Number(z.toFixed(5))}`)]),
    ...(kind ? [element('span', { class: 'class' }, kind)] : []),
  ];
  return words.flatMap((word, place) => (place ? [' ', word] : [word]));
}

/** The outline of a spectrum: a closed curve along the lowest, then along the highest levels. */
function outlined(text) {
  const levels = decoded(text, Uint8Array);
  const bins = levels.length / 2;
  const point = (place, level) => `${place} ${(256 - level)}`;
  const runs = [];
  for (let place = 0; place < bins; place += 1) {
    if (!levels[place]) continue;
    if (!place || !levels[place - 1]) runs.push([]);
    runs.at(-1).push(place);
  }
  const path = runs.map((run) => `M${[
    ...run.map((place) => point(place, levels[place])),
    ...[...run].reverse().map((place) => point(place, Math.max(levels[bins + place], levels[place] + 4))),
  ].join('L')}Z`).join('');
  const space = 'http://www.w3.org/2000/svg';
  const picture = document.createElementNS(space, 'svg');
  const curve = document.createElementNS(space, 'path');
  curve.setAttribute('d', path);
  picture.setAttribute('viewBox', `0 0 ${bins - 1} 256`);
  picture.setAttribute('preserveAspectRatio', 'none');
  picture.setAttribute('class', 'outline');
  picture.setAttribute('aria-hidden', 'true');
  picture.append(curve);
  return picture;
}
