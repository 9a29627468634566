'use strict';
// Events: the table arrives, the address changes, a key is pressed, a control is used.

const REFRESH = 5000;  // milliseconds between two reads of the table during a run
const QUIET = 15;  // minutes without news after which the page says so

const Report = {
  name: 'AutoSpec',
  run: null,

  /** Called by the table's file, at first and whenever it is read again. */
  receive(table) {
    const news = JSON.stringify(table.run) !== JSON.stringify(this.run);
    const first = !this.run;
    this.run = table.run;
    if (this.run.running) setTimeout(() => this.again(), REFRESH);
    this.describe();
    if (!news) return;
    const focused = document.activeElement?.closest('#rows tr')?.dataset.id;
    Store.field = table.run.key;
    Verdicts.ofRun = new Map(Object.entries(table.verdicts));
    Verdicts.read();
    this.warnOfStore();
    Table.fill(table);
    this.offerColumns();
    if (first) this.follow();
    else if (Source.id !== null) {
      Table.mark(Source.id);
      // It may have been reached by now.
      if (!Source.data && ['done', 'noted'].includes(kindOf(Table.byId.get(Source.id)))) Source.open(Source.id);
    }
    if (focused) Table.byId.get(focused)?.element?.querySelector('a')?.focus();
  },

  /** Say which verdicts will be lost when this window is closed, because the browser does not keep them. */
  warnOfStore() {
    const lost = Store.unkept().filter((name) => name.startsWith(KEPT));
    const number = `${lost.length} verdict${lost.length === 1 ? '' : 's'}`;
    byId('storeFault').hidden = !lost.length;
    byId('storeFault').textContent = `this browser has no room for ${number}; `
      + 'save them as CSV before you close this window';
    this.unsaved = lost.length > 0;
  },

  again() {
    loadScript(`report/sources.js?${Date.now()}`).catch(() => setTimeout(() => this.again(), REFRESH));
  },

  describe() {
    const { run } = this;
    this.name = run.name || 'AutoSpec';
    document.title = this.name;
    byId('title').textContent = this.name;
    const silent = run.running ? Math.floor((Date.now() / 1000 - run.stamp) / 60) : 0;
    const news = silent < QUIET ? '' : `; no news for ${silent} minutes, it may have been killed`;
    byId('progress').textContent = run.summary + news;
    byId('meter').hidden = !run.running;
    byId('meter').max = run.total || 1;
    byId('meter').value = run.done;
    byId('origin').textContent = [`AutoSpec ${run.version}`, run.cube, run.catalogue, run.written].filter(Boolean)
      .join(' · ');
    byId('settings').textContent = [run.command, `in ${run.folder}`, '', run.settings].join('\n');
  },

  /** Show what the address says: index.html#120 is source 120. */
  follow() {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { id = location.hash.slice(1); }
    if (id === 'filter') return;
    if (id === Source.id) return;
    if (id) Source.open(id);
    else if (Source.id !== null) Source.close();
  },

  offerColumns() {
    byId('choices').replaceChildren(...Table.columns.map(({ name, label, text }) => {
      const box = element('input', { type: 'checkbox', checked: Table.shown.has(name) });
      box.onchange = () => Table.choose(name, box.checked);
      return element('label', { title: text }, box, element('span', {}, label), element('small', {}, text ?? ''));
    }));
  },
};

// The functions that the files of data call.
globalThis.autospecTable = (table) => Report.receive(table);
globalThis.autospecSource = (data, numbers) => Source.receive(data, numbers);

/** Show a source at once: the browser's event for a new address comes later, perhaps after the next key. */
function show(id) {
  if (id === undefined) return;
  location.hash = encodeURIComponent(id);
  Report.follow();
}

function move(places) {
  show(Table.after(Source.id, places));
}

function focusOn(name) {
  byId(name).focus();
  byId(name).select?.();
}

/** Close the menus that are open; false if none is. */
function closeMenus() {
  const menus = [...document.querySelectorAll('.tools details[open]')];
  for (const menu of menus) menu.open = false;
  return menus.length > 0;
}

const CLASS_KEYS = { g: 'galaxy', s: 'star', q: 'quasar', l: 'Lya', n: 'nothing' };

/**
 * Handle keys that judge the open source; false if it is another key. Digits are known by their place, for on some
 * keyboards they need Shift. A key that is held down judges one source.
 */
function judged({ key, code, shiftKey, repeat }) {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code)?.[1] ?? key;
  const verdict = VERDICTS.find((one) => one[0] === key);
  const kind = CLASS_KEYS[key];
  let action = null;
  if (shiftKey && /^[0-3]$/.test(digit)) action = () => Source.quality(Number(digit));
  else if (shiftKey && kind) action = () => Source.kind(kind);
  else if (shiftKey) return false;
  else if (digit === '0') action = () => Source.acceptNone();
  else if (/^[1-4]$/.test(digit)) action = () => Source.accept(Number(digit));
  else if (key === 'Enter') action = () => Source.accept();
  else if (verdict) action = () => Source.verdict(verdict);
  if (action && !repeat) action();
  return action !== null;
}

/** Handle a key; false if the key is not used by the page. */
function pressed(event) {
  const open = Source.id !== null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;  // also with the caps lock
  if (open && judged({ key, code: event.code, shiftKey: event.shiftKey, repeat: event.repeat })) return true;
  if (key === '/') focusOn('filter');
  else if (key === 'm') toMap();
  else if (key === '?') byId('help').showModal();
  else if (!open && (key === 'ArrowDown' || key === 'j')) Table.step(1);
  else if (!open && (key === 'ArrowUp' || key === 'k')) Table.step(-1);
  else if (open && (key === 'ArrowRight' || key === 'j')) move(1);
  else if (open && (key === 'ArrowLeft' || key === 'k')) move(-1);
  else if (key === 'Escape' && closeMenus()) return true;
  else if (open && key === 'Escape') location.hash = '';
  else if (open && Source.data && key === 'i') Images.next();
  else if (open && Source.data && key === 'n') Narrow.next();
  else if (open && key === 'ArrowDown') Source.lookFurther(1);
  else if (open && key === 'ArrowUp') Source.lookFurther(-1);
  else if (key === 'u') Source.undo();
  else if (open && key === 'z') focusOn('z');
  else if (open && key === 'c') focusOn('comment');
  else return false;
  return true;
}

const isArrow = (key) => ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'].includes(key);

/** Take the focus from a control, so that keys are the page's again. */
function leave(control) {
  control.blur();
  if (Source.id !== null) byId('name').focus({ preventScroll: true });
}

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest?.('input:not([type=checkbox]):not([type=radio]), select, textarea');
  const command = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if (command && event.key.toLowerCase() === 'z' && !typing && !byId('help').open) {
    event.preventDefault();
    Source.undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || byId('help').open) return;
  if (event.key === 'Enter' && event.target.matches?.('button, a, summary')) return;  // it is clicked
  if (event.target.matches?.('input[type=radio]') && event.key.startsWith('Arrow')) return;
  if (typing) {
    const isRedshift = event.target === byId('z');
    if (isRedshift && isArrow(event.key) && !Source.typing) {
      event.preventDefault();
      event.target.blur();
      move(event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : -1);
      return;
    }
    if (event.key === 'Escape') {
      if (isRedshift) Source.forget();
      event.target.blur();
    }
    if (event.key === 'Enter' && event.target !== byId('filter')) leave(event.target);
    if (event.key === 'Enter' && event.target === byId('filter')) show(Table.view[0]?.id);
    if (event.key === 'ArrowDown' && event.target === byId('filter')) { event.target.blur(); Table.step(0); }
    return;
  }
  if (pressed(event)) event.preventDefault();
});

window.addEventListener('resize', () => Source.drawLines());
window.addEventListener('hashchange', () => Report.follow());
/** Show verdicts that another window has changed, or that were read from a file. */
function readAgain() {
  Verdicts.read();
  for (const row of Table.rows) row.element = null;
  Table.refresh();
  if (Source.id !== null) { Source.judge({ typing: Source.typing }); Source.drawLines(); Table.mark(Source.id); }
}

window.addEventListener('storage', ({ key }) => {
  const beginning = Store.key(KEPT);
  if (key === null) {
    readAgain();
  } else if (key.startsWith(beginning)) {
    const id = key.slice(beginning.length);
    Verdicts.read();
    Table.redraw(id);
    if (Source.id === id) { Source.judge({ typing: Source.typing }); Source.drawLines(); }
  }
});
window.addEventListener('beforeunload', (event) => { if (Report.unsaved) event.preventDefault(); });
Source.options = { ...Source.options };
Spectrum.onRedshift = (z) => Source.redshift(z, 'drag');
Spectrum.onRedshiftEnd = () => { Source.gesture = ''; };

// More rows are drawn before the user has scrolled to the last one.
const isSeen = (entries) => entries.some((one) => one.isIntersecting);
new IntersectionObserver((entries) => { if (isSeen(entries)) Table.drawMore(); }, { rootMargin: '800px' })
  .observe(byId('more'));

byId('filter').oninput = () => Table.refresh();
for (const name of ['status', 'judged']) {
  byId(name).onchange = () => { Table.refresh(); byId(name).blur(); };
}
byId('rows').onclick = (event) => {
  const row = event.target.closest('tr');
  if (row && !event.target.closest('a') && !String(getSelection())) show(row.dataset.id);
};
for (const [name, action] of Object.entries({
  previous: () => move(-1), next: () => move(1), accept: () => Source.accept(), undo: () => Source.undo(),
})) {
  byId(name).onclick = ({ detail, currentTarget }) => {
    action();
    if (detail > 0) leave(currentTarget);  // by the mouse: keys are the page's again
  };
}
byId('quality').onchange = ({ target }) => {
  Source.quality(target.value === '' ? null : Number(target.value));
  leave(target);
};
byId('class').onchange = ({ target }) => {
  Source.kind(target.value);
  leave(target);
};
byId('close').onclick = () => { location.hash = ''; };
byId('keys').onclick = () => byId('help').showModal();
byId('verdict').onchange = (event) => Source.verdict(event.target.value);
byId('verdict').onclick = ({ target, detail }) => {
  const byMouse = detail > 0;
  if (byMouse && target.matches('input')) leave(target);
};
byId('comment').oninput = ({ target }) => {
  Source.change({ comment: target.value }, { typing: true, gesture: 'comment' });
};
byId('comment').onblur = () => { Source.gesture = ''; };
byId('z').oninput = ({ target }) => Source.preview(target.value);
byId('z').onblur = () => Source.leaveRedshift();
byId('slider').oninput = ({ target }) => Source.redshift(target.valueAsNumber, 'slider');
byId('slider').onblur = () => { Source.gesture = ''; };
byId('slider').onpointerup = ({ target }) => leave(target);
byId('smooth').oninput = ({ target }) => { Source.options.smooth = target.valueAsNumber; Source.draw(); };
for (const name of ['band', 'sky', 'emission', 'absorption', 'model']) {
  byId(name).onchange = ({ target }) => { Source.options[name] = target.checked; Source.draw(); };
}
byId('theme').onclick = () => {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem(THEME_KEY, theme); } catch { /* the browser keeps nothing */ }
  Source.draw();
  Images.later();
  Field.later();
};
byId('save').onclick = () => {
  download(`${Report.name}_verdicts.csv`, Verdicts.csv(), 'text/csv');
  Report.unsaved = false;
};
byId('load').onclick = () => byId('file').click();
byId('file').onchange = async ({ target }) => {
  try {
    const { number, wrong } = Verdicts.take(await target.files[0].text());
    const why = 'verdict, redshift, quality or class';
    const faults = wrong.length ? `; not read, for their ${why} is wrong: ${wrong.join(', ')}` : '';
    announce(`${number} verdicts read${faults}`);
  } catch (error) {
    announce(`${target.files[0]?.name}: ${error.message}`);
  }
  target.value = '';
  readAgain();
};
