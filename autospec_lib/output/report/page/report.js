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
    Verdicts.read();
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

/** Handle a key; false if the key is not used by the page. */
function pressed(key) {
  const open = Source.id !== null;
  const verdict = VERDICTS.find((one) => one[0] === key);
  if (key === '/') focusOn('filter');
  else if (key === 'm') toMap();
  else if (key === '?') byId('help').showModal();
  else if (!open && (key === 'ArrowDown' || key === 'j')) Table.step(1);
  else if (!open && (key === 'ArrowUp' || key === 'k')) Table.step(-1);
  else if (open && (key === 'ArrowRight' || key === 'j')) move(1);
  else if (open && (key === 'ArrowLeft' || key === 'k')) move(-1);
  else if (key === 'Escape' && closeMenus()) return true;
  else if (open && key === 'Escape') location.hash = '';
  else if (open && verdict) Source.verdict(verdict);
  else if (open && Source.data && key === 'i') Images.next();
  else if (open && Source.data && key === 'n') Narrow.next();
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
  if (event.ctrlKey || event.metaKey || event.altKey || byId('help').open) return;
  const typing = event.target.closest?.('input:not([type=checkbox]):not([type=radio]), select, textarea');
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
  if (pressed(event.key)) event.preventDefault();
});

window.addEventListener('hashchange', () => Report.follow());
window.addEventListener('storage', () => {
  Verdicts.read();
  for (const row of Table.rows) row.element = null;
  Table.refresh();
  if (Source.id !== null) { Source.judge({ typing: Source.typing }); Table.mark(Source.id); }
});
Source.options = { ...Source.options };
Spectrum.onRedshift = (z) => Source.redshift(z);

// More rows are drawn before the user has scrolled to the last one.
const isSeen = (entries) => entries.some((one) => one.isIntersecting);
new IntersectionObserver((entries) => { if (isSeen(entries)) Table.drawMore(); }, { rootMargin: '800px' })
  .observe(byId('more'));

byId('filter').oninput = () => Table.refresh();
byId('status').onchange = () => Table.refresh();
byId('rows').onclick = (event) => {
  const row = event.target.closest('tr');
  if (row && !event.target.closest('a') && !String(getSelection())) show(row.dataset.id);
};
byId('previous').onclick = () => move(-1);
byId('next').onclick = () => move(1);
byId('close').onclick = () => { location.hash = ''; };
byId('keys').onclick = () => byId('help').showModal();
byId('verdict').onchange = (event) => Source.verdict(event.target.value);
byId('verdict').onclick = ({ target, detail }) => {
  const byMouse = detail > 0;
  if (byMouse && target.matches('input')) leave(target);
};
byId('comment').oninput = (event) => Source.change({ comment: event.target.value }, { typing: true });
byId('z').oninput = ({ target }) => Source.preview(target.value);
byId('z').onblur = () => Source.leaveRedshift();
byId('slider').oninput = ({ target }) => Source.redshift(target.valueAsNumber);
byId('slider').onpointerup = ({ target }) => leave(target);
byId('smooth').oninput = ({ target }) => { Source.options.smooth = target.valueAsNumber; Source.draw(); };
for (const name of ['band', 'sky', 'emission', 'absorption']) {
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
byId('save').onclick = () => download(`${Report.name}_verdicts.csv`, Verdicts.csv(), 'text/csv');
byId('load').onclick = () => byId('file').click();
byId('file').onchange = async ({ target }) => {
  try {
    const { number, wrong } = Verdicts.take(await target.files[0].text());
    const faults = wrong.length ? `; not read, as their redshift is wrong: ${wrong.join(', ')}` : '';
    announce(`${number} verdicts read${faults}`);
  } catch (error) {
    announce(`${target.files[0]?.name}: ${error.message}`);
  }
  target.value = '';
  window.dispatchEvent(new Event('storage'));
};
