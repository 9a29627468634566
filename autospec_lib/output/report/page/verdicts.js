'use strict';
// The user's verdicts on sources: kept in the browser, saved to and read from CSV.

const VERDICTS = ['good', 'doubtful', 'bad'];
const USER = 'user';  // where a redshift comes from that was typed or dragged
const LEAST_Z = -0.1;
const LARGEST_Z = 20;

const Verdicts = {
  all: {},
  read() {
    this.all = Store.get('verdicts', {});
  },
  of(id) {
    const kept = Object.hasOwn(this.all, id) ? this.all[id] : {};
    return { verdict: '', z: null, origin: null, comment: '', ...kept };
  },
  change(id, part) {
    this.read();  // another window may have written
    const next = { ...this.of(id), ...part, changed: new Date().toISOString().slice(0, 19) + 'Z' };
    const all = { ...this.all, [id]: next };
    if (!next.verdict && next.z === null && !next.comment) delete all[id];
    this.all = all;
    Store.set('verdicts', all);
    if (Store.broken) announce('this browser does not keep verdicts; save them as CSV before you close the page');
  },
  csv() {
    const lines = [['ID', 'RA', 'DEC', 'VERDICT', 'REDSHIFT', 'ORIGIN', 'COMMENT', 'CHANGED']];
    for (const row of Table.rows) {
      if (!Object.hasOwn(this.all, row.id)) continue;
      const { verdict, z, origin, comment, changed } = this.all[row.id];
      const from = z === null ? '' : origin ?? USER;  // verdicts that were kept before origins were are the user's
      lines.push([row.id, row.cells.RA ?? '', row.cells.DEC ?? '', verdict, z ?? '', from, comment, changed]);
    }
    return lines.map((line) => line.map(quoted).join(',') + '\n').join('');
  },
  /** Read verdicts from the text of a CSV file; return their number, and the IDs of rows with a wrong redshift. */
  take(text) {
    const [head = [], ...lines] = parsedCsv(text);
    const place = Object.fromEntries(head.map((name, index) => [name.trim().toUpperCase(), index]));
    if (place.ID === undefined || place.VERDICT === undefined) throw new Error('it has no columns ID and VERDICT');
    let number = 0;
    const wrong = [];
    for (const line of lines) {
      const cell = (name) => line[place[name]] ?? '';
      const [id, verdict] = [cell('ID'), cell('VERDICT')];
      if (!id || (verdict && !VERDICTS.includes(verdict))) continue;
      const z = parsedRedshift(cell('REDSHIFT'));
      if (z === undefined) {
        wrong.push(id);
        continue;
      }
      const origin = z === null ? null : cell('ORIGIN') || USER;
      this.change(id, { verdict, z, origin, comment: cell('COMMENT') });
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
