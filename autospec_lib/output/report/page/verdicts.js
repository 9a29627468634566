'use strict';
// The user's verdicts on sources: kept in the browser, saved to and read from CSV.

const VERDICTS = ['good', 'doubtful', 'bad'];
const QUALITIES = ['none', 'possible', 'probable', 'sure'];  // of a redshift, by their numbers
const CLASSES = ['galaxy', 'star', 'quasar', 'Lya', 'nothing'];
const CLASS_OF = { gal: 'galaxy', LAE: 'Lya', QSO: 'quasar', star: 'star' };  // by the type of a candidate
const USER = 'user';  // where a redshift comes from that was typed or dragged
const LEAST_Z = -0.1;
const LARGEST_Z = 20;
const NO_VERDICT = { verdict: '', z: null, origin: null, quality: null, kind: '', comment: '' };
const KEPT = 'verdict ';  // what the names of verdicts in the browser's store begin with; the ID follows
const CSV_HEAD = [
  'ID', 'RA', 'DEC', 'VERDICT', 'REDSHIFT', 'ORIGIN', 'QUALITY', 'CLASS', 'COMMENT', 'CHANGED',
];

const Verdicts = {
  all: new Map(),
  ofRun: new Map(),  // those that `AutoSpec --verdicts` has taken into the results
  read() {
    const names = [...Store.entries(KEPT).keys()].map((name) => name.slice(KEPT.length));
    this.all = new Map();
    for (const id of new Set([...this.ofRun.keys(), ...names])) {
      const kept = this.kept(id);
      if (kept) this.all.set(id, kept);
    }
  },
  /** The verdict in this browser, or that in the results where it is newer. */
  kept(id) {
    const [own, ofRun] = [Store.get(KEPT + id, null), this.ofRun.get(id) ?? null];
    return own && !(ofRun && ofRun.changed > own.changed) ? own : ofRun;
  },
  of(id) {
    return { ...NO_VERDICT, ...this.all.get(id) };
  },
  /** Whether the user has finished with a source: a verdict was given, or that it has no redshift. */
  isDone(id) {
    const { verdict, quality } = this.of(id);
    return verdict !== '' || quality === 0;
  },
  /** Keep parts of a source's verdict; the others are as this or another window has left them. */
  change(id, part) {
    const now = this.kept(id) ?? {};
    this.replace(id, { ...NO_VERDICT, ...now, ...part, changed: new Date().toISOString().slice(0, 19) + 'Z' });
  },
  /** Keep a whole verdict in place of another one. */
  replace(id, next) {
    const isEmpty = Object.entries(NO_VERDICT).every(([name, value]) => next[name] === value);
    if (isEmpty) this.all.delete(id); else this.all.set(id, next);
    const kept = Store.set(KEPT + id, isEmpty ? null : next);
    // There may be room again for those before.
    if (kept) for (const name of Store.unkept()) Store.set(name, Store.get(name, null));
    Report.warnOfStore();
  },
  csv() {
    const lines = [CSV_HEAD];
    for (const row of Table.rows) {
      if (!this.all.has(row.id)) continue;
      const { verdict, z, origin, quality, kind, comment, changed } = this.of(row.id);
      const from = z === null ? '' : origin;
      const { RA, DEC } = row.cells;
      lines.push([row.id, RA ?? '', DEC ?? '', verdict, z ?? '', from, quality ?? '', kind, comment, changed]);
    }
    return lines.map((line) => line.map(quoted).join(',') + '\n').join('');
  },
  /** Read verdicts from the text of a CSV file; return their number, and the IDs of rows that cannot be read. */
  take(text) {
    const [head = [], ...lines] = parsedCsv(text);
    const place = Object.fromEntries(head.map((name, index) => [name.trim().toUpperCase(), index]));
    if (place.ID === undefined || place.VERDICT === undefined) throw new Error('it has no columns ID and VERDICT');
    let number = 0;
    const wrong = [];
    for (const line of lines) {
      const cell = (name) => line[place[name]] ?? '';
      const [id, verdict, kind] = [cell('ID'), cell('VERDICT'), cell('CLASS')];
      if (!id) continue;
      const z = parsedRedshift(cell('REDSHIFT'));
      const quality = cell('QUALITY') === '' ? null : ['0', '1', '2', '3'].indexOf(cell('QUALITY'));
      const known = (verdict === '' || VERDICTS.includes(verdict)) && (kind === '' || CLASSES.includes(kind));
      if (!known || z === undefined || quality === -1) {
        wrong.push(id);
        continue;
      }
      const origin = z === null ? null : cell('ORIGIN') || USER;
      this.change(id, { verdict, z, origin, quality, kind, comment: cell('COMMENT') });
      number += 1;
    }
    return { number, wrong };
  },
};

/** The number in a text, also with a decimal comma; null for an empty text, undefined if it is no redshift. */
function parsedRedshift(text) {
  const plain = text.trim().replace(',', '.').replace('\u2212', '-');
  if (!plain) return null;
  const z = NUMBER.test(plain) ? Number(plain) : NaN;
  return z >= LEAST_Z && z <= LARGEST_Z ? z : undefined;
}

// A spreadsheet computes a cell that begins with one of these, unless it is a number; a cell with ' before it is text.
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A cell of a CSV file. */
function quoted(value) {
  const plain = String(value);
  const text = FORMULA.test(plain) && !NUMBER.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows of cells; a cell in quotes may hold commas, quotes and ends of lines. */
function parsedCsv(text) {
  const rows = [[]];
  const cells = text.replace(/^\uFEFF/, '').matchAll(/(?:([^",\r\n]*)|"((?:[^"]|"")*)")(,|\r?\n|$)/g);
  for (const [, plain, inQuotes, end] of cells) {
    const text = inQuotes === undefined ? plain : inQuotes.replaceAll('""', '"');
    rows.at(-1).push(text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text);
    if (end !== ',') rows.push([]);
  }
  return rows.filter((row) => row.some((cell) => cell !== ''));
}
