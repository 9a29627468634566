'use strict';
// The field: a map of the white light with all sources, in place of the table.

const REACH = 12;  // pixels of the screen around a source in which a click finds it
const DEEPEST = 60;  // pixels of the screen per pixel of the image, the closest view
const MOST_KINDS = 8;  // different values of a column that have colours of their own
const GREYS = 64;
const KIND_COLOURS = {
  good: '--good', doubtful: '--warn', bad: '--bad', extracted: '--good', kept: '--good', failed: '--bad',
  A: '--good', B: '--line-5', C: '--warn',
};
const QUALITY_COLOURS = { 3: '--good', 2: '--accent', 1: '--warn', 0: '--bad' };

const Field = {
  data: null,  // what the file of the field holds
  picture: null,
  theme: null,  // in whose colours the picture is
  edges: [],
  middle: null,  // the pixel [y, x] in the middle of the view
  scale: 0,  // pixels of the screen per arcsec
  column: 'VERDICT',  // by which sources are coloured
  cursor: null,  // the ID of the source that the arrow keys have reached
  pointed: null,  // the ID of the one under the mouse
  small: new Map(),  // small images of sources, where there is no white light

  get isShown() { return !byId('field').hidden; },

  /** Show the map in place of the table, or the table again. */
  async toggle(wanted = !this.isShown) {
    byId('field').hidden = !wanted;
    byId('scroller').hidden = wanted;
    byId('asMap').setAttribute('aria-pressed', String(wanted));
    document.body.classList.toggle('mapped', wanted);
    if (!wanted) {
      if (Source.id !== null) Table.mark(Source.id);
      return;
    }
    try {
      if (!this.data) await loadScript('report/white.js');
      this.offerColumns();
      if (!this.middle) this.whole();
      this.bringIn(Source.id);
      byId('map').focus({ preventScroll: true });
    } catch (error) {
      byId('fieldAbout').textContent = error.message;
    }
    this.later();
  },

  /** Called by the file of the field. */
  receive(raw) {
    this.data = { ...raw, palette: decoded(raw.palette, Uint8Array) };
    const [used, all] = raw.channels;
    byId('fieldAbout').textContent = raw.image
      ? `White light: mean of ${used} of ${all} channels` + (raw.bin > 1 ? `, ${raw.bin} \u00d7 ${raw.bin} binned` : '')
      : 'No white light of the whole field was read: cut-outs of the sources, each with a scale of its own';
    if (!raw.image) return;
    const values = decoded(raw.image);
    this.data.values = values;
    this.data.limits = cutsOf(values, 0.25);  // less of the noise than beside a spectrum
    this.edges = edgesOf((place) => Number.isFinite(values[place]), raw.size);
  },

  /** The image in greys: bright sources are dark on light paper. */
  paint() {
    if (!this.data?.values) return;
    const isDark = document.documentElement.dataset.theme === 'dark';
    const [from, to] = isDark ? [22, 255] : [248, 10];
    const greys = Uint8Array.from({ length: 3 * GREYS }, (_, place) => (
      from + ((to - from) * Math.floor(place / 3)) / (GREYS - 1)));
    this.theme = document.documentElement.dataset.theme;
    this.picture = painted(this.data.values, this.data.size, 'asinh', this.data.limits, greys);
  },

  /** Columns by which sources can be coloured. */
  offerColumns() {
    this.column = Store.get('field', this.column);
    const columns = Table.columns.filter((one) => !one.plain && !['NOTES', 'ERROR', 'FILE', 'ID'].includes(one.name));
    const known = columns.filter(({ name }) => (
      ['VERDICT', 'QUALITY', 'CLASS'].includes(name)
      || Table.rows.some((row) => isThere(value(row, name)))));
    byId('paint').replaceChildren(...known.map(({ name, label }) => (
      element('option', { value: name, selected: name === this.column }, label))));
    if (!known.some(({ name }) => name === this.column)) this.column = 'VERDICT';
    byId('paint').value = this.column;
  },

  /** Show the whole field. */
  whole() {
    const { shape: [ny, nx], pixel: [dy, dx] } = this.data;
    const canvas = byId('map');
    this.middle = [(ny - 1) / 2, (nx - 1) / 2];
    this.scale = 0.94 * Math.min(canvas.clientWidth / (nx * dx), canvas.clientHeight / (ny * dy));
    this.later();
  },

  /** The closest and the widest view. */
  limited(scale) {
    const { shape: [ny, nx], pixel: [dy, dx] } = this.data;
    const canvas = byId('map');
    const least = 0.5 * Math.min(canvas.clientWidth / (nx * dx), canvas.clientHeight / (ny * dy));
    return Math.min(Math.max(scale, least), DEEPEST / Math.max(dy, dx));
  },

  /** Zoom by a factor about a point of the canvas, by default its middle. */
  zoom(factor, point = [byId('map').clientWidth / 2, byId('map').clientHeight / 2]) {
    const before = this.sight().pixel(...point);
    this.scale = this.limited(this.scale * factor);
    const after = this.sight().pixel(...point);
    this.middle = this.middle.map((place, axis) => place + before[axis] - after[axis]);
    this.later();
  },

  /** Pan by pixels of the screen. */
  pan(right, down) {
    const sight = this.sight();
    this.middle = [this.middle[0] + down / sight.sy, this.middle[1] - right / sight.sx];
    this.later();
  },

  sight() {
    return new Sight(byId('map'), this.middle, this.scale, this.data.pixel);
  },

  /** Move the view so that a source is in it. */
  bringIn(id) {
    const row = Table.byId.get(id);
    if (!row || !isPlaced(row) || !this.middle) return;
    const sight = this.sight();
    const [left, top] = [sight.x(row.cells.X_CUBE - 1), sight.y(row.cells.Y_CUBE - 1)];
    const isInside = left > 30 && top > 30 && left < sight.width - 30 && top < sight.height - 30;
    if (!isInside) this.middle = [row.cells.Y_CUBE - 1, row.cells.X_CUBE - 1];
    this.later();
  },

  draw() {
    if (!this.isShown || !this.data) return;
    const canvas = byId('map');
    const isDark = document.documentElement.dataset.theme === 'dark';
    const pen = penOf(canvas, colour('--ink'), isDark ? 'rgba(0, 0, 0, .7)' : 'rgba(255, 255, 255, .85)');
    if (!canvas.clientWidth) return;
    const sight = this.sight();
    if (this.theme !== document.documentElement.dataset.theme) this.paint();
    if (this.picture) {
      sight.draw(pen, this.picture, this.data.size, this.data.bin);
      sight.trace(pen, this.edges, colour('--quiet'), 1, this.data.bin);
    } else this.mosaic(pen, sight);
    const [ny, nx] = this.data.shape;
    pen.strokeStyle = colour('--rule');
    pen.lineWidth = 1;
    pen.strokeRect(sight.x(-0.5), sight.y(ny - 0.5), nx * sight.sx, ny * sight.sy);
    this.drawSources(pen, sight);
    sight.bar(pen);
    sight.arrows(pen, this.data);
    canvas.setAttribute('aria-label', `Map of the field with ${Table.view.length} of ${Table.rows.length} sources; `
      + 'arrow keys move from source to source, Enter opens one, plus and minus zoom, Home shows the whole field');
  },

  /** The small images of the sources at their places: each is scaled on its own. */
  mosaic(pen, sight) {
    for (const row of Table.rows.filter((one) => one.thumb && isPlaced(one))) {
      if (!this.small.has(row.id)) {
        const image = element('img', { src: row.thumb });
        image.onload = () => this.later();
        this.small.set(row.id, image);
      }
      const image = this.small.get(row.id);
      if (!image.complete || !image.naturalWidth) continue;
      const side = this.data.sizes[row.id] * this.scale;
      const part = Math.min(image.naturalHeight, image.naturalWidth);
      pen.drawImage(image, 0, 0, part, image.naturalHeight, sight.x(row.cells.X_CUBE - 1) - side / 2,
        sight.y(row.cells.Y_CUBE - 1) - side / 2, side, side);
    }
  },

  drawSources(pen, sight) {
    const { fill, legend } = colouring(this.column, this.data.palette);
    byId('fieldKey').replaceChildren(...legend);
    const [ny, nx] = this.data.shape;
    const apart = Math.sqrt((nx * sight.sx * ny * sight.sy) / (Table.rows.length || 1));  // pixels of the screen
    const radius = Math.min(11, Math.max(4, Math.min(0.5 * this.scale, 0.27 * apart)));
    const shown = new Set(Table.view);
    const inView = Table.rows.filter(isPlaced).map((row) => (
      { row, left: sight.x(row.cells.X_CUBE - 1), top: sight.y(row.cells.Y_CUBE - 1) }))
      .filter(({ left, top }) => left > -20 && top > -20 && left < sight.width + 20 && top < sight.height + 20);
    const circle = ({ left, top }, size) => {
      pen.beginPath();
      pen.arc(left, top, size, 0, 2 * Math.PI);
    };
    for (const one of inView.filter(({ row }) => !shown.has(row))) {
      circle(one, 2);
      pen.fillStyle = colour('--quiet');
      pen.fill();
    }
    const listed = inView.filter(({ row }) => shown.has(row));
    for (const one of listed) {
      circle(one, radius);
      haloed(pen, fill(one.row), 2);
    }
    const labels = new Labels(pen, sight.width, sight.height);
    labels.keep(34, sight.height - 18, 34, 6);
    labels.keep(sight.width - 26, sight.height - 26, 26);
    const isMarked = ({ row }) => row.id === Source.id || row.id === this.cursor || row.id === this.pointed;
    for (const one of inView.filter(isMarked)) this.mark(pen, one, radius, labels);
    for (const one of listed) labels.keep(one.left, one.top, radius);
    const rest = listed.filter((one) => !isMarked(one));
    for (const { row, left, top } of rest) labels.write(row.id, left, top, radius + 5 + CLOSEST);
  },

  /** The source at hand, the one that the keys have reached, and the one under the mouse. */
  mark(pen, { row, left, top }, radius, labels) {
    pen.beginPath();
    if (row.id === Source.id) {
      pen.arc(left, top, radius + 4, 0, 2 * Math.PI);
      haloed(pen, colour('--mark'), 2.5);
      crossed(pen, left, top, radius + 5, colour('--mark'));
      const { shape, centre } = Source.data ?? {};
      if (shape) {
        const sight = this.sight();
        pen.setLineDash([5, 4]);
        pen.strokeStyle = colour('--mark');
        pen.lineWidth = 1.5;
        pen.strokeRect(left - (centre[1] + 0.5) * sight.sx, top - (shape[0] - 0.5 - centre[0]) * sight.sy,
          shape[1] * sight.sx, shape[0] * sight.sy);
        pen.setLineDash([]);
      }
    } else {
      pen.arc(left, top, radius + 3, 0, 2 * Math.PI);
      pen.setLineDash([3, 3]);
      haloed(pen, colour('--mark'), 1.5);
      pen.setLineDash([]);
    }
    labels.keep(left, top, radius);
    labels.write(row.id, left, top, radius + 14 + CLOSEST);
  },

  /** The source nearest to a point of the canvas, of those that the filter leaves if there is one; undefined: none. */
  at([x, y]) {
    const sight = this.sight();
    const near = (rows) => rows.filter(isPlaced)
      .map((row) => ({ row, away: Math.hypot(sight.x(row.cells.X_CUBE - 1) - x, sight.y(row.cells.Y_CUBE - 1) - y) }))
      .filter(({ away }) => away < REACH)
      .sort((a, b) => a.away - b.away)[0]?.row.id;
    return near(Table.view) ?? near(Table.rows);
  },

  /** Move the cursor to the nearest source in a direction [right, up]. */
  step([right, up]) {
    const from = Table.byId.get(this.cursor ?? Source.id);
    const [y, x] = from && isPlaced(from) ? [from.cells.Y_CUBE - 1, from.cells.X_CUBE - 1] : this.middle;
    const [best] = Table.view.filter((row) => isPlaced(row) && row !== from)
      .map((row) => {
        const [dx, dy] = [row.cells.X_CUBE - 1 - x, row.cells.Y_CUBE - 1 - y];
        const along = dx * right + dy * up;
        return { row, along, cost: along + 2 * Math.abs(dx * up) + 2 * Math.abs(dy * right) };
      })
      .filter(({ along, cost }) => !from || (along > 0 && cost < 3 * along))
      .sort((a, b) => (from ? a.cost - b.cost : Math.abs(a.cost) - Math.abs(b.cost)));
    if (!best) return;
    this.cursor = best.row.id;
    this.bringIn(this.cursor);
    announce(describe(best.row));
    this.later();
  },

  /** Handle a key in the map; false for other keys. */
  pressed(key, shift) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (key in directions && shift) this.pan(-80 * directions[key][0], 80 * directions[key][1]);
    else if (key in directions) this.step(directions[key]);
    else if (key === 'Enter' && this.cursor !== null) show(this.cursor);
    else if (key === '+' || key === '=') this.zoom(1.5);
    else if (key === '-') this.zoom(1 / 1.5);
    else if (key === 'Home') this.whole();
    else return false;
    return true;
  },

  /** Show what is under the mouse. */
  point(event) {
    const [left, top] = within(byId('map'), event);
    this.pointed = this.at([left, top]) ?? null;
    const tip = byId('fieldTip');
    tip.hidden = this.pointed === null;
    byId('map').style.cursor = this.pointed === null ? 'grab' : 'pointer';
    if (this.pointed !== null) {
      tip.textContent = describe(Table.byId.get(this.pointed), this.column);
      const isRight = left > byId('map').clientWidth / 2;
      tip.style.left = isRight ? 'auto' : `${left + 16}px`;
      tip.style.right = isRight ? `${byId('map').clientWidth - left + 16}px` : 'auto';
      tip.style.top = `${top + 12}px`;
    }
    this.later();
  },
};
Field.later = oncePerFrame(() => Field.draw());

const isPlaced = ({ cells }) => typeof cells.X_CUBE === 'number' && typeof cells.Y_CUBE === 'number';
const isThere = (one) => one !== null && one !== undefined && one !== '';

/** Show the map, or the table; a source that covers the list is closed for it. */
function toMap() {
  if (Source.id !== null && !byId('list').checkVisibility()) {
    location.hash = '';
    Report.follow();
    Field.toggle(true);
  } else Field.toggle();
}

/** A source in a line. */
function describe(row, column = 'VERDICT') {
  const { SN, MAG_WHITE } = row.cells;
  const z = redshiftOf(row);
  const { label } = Table.columns.find(({ name }) => name === column) ?? {};
  const found = value(row, column);
  return [
    `Source ${row.id}`, statusWords(row),
    typeof SN === 'number' ? `S/N ${SN.toFixed(1)}` : '',
    typeof MAG_WHITE === 'number' ? `mag ${MAG_WHITE.toFixed(2)}` : '',
    z === null ? '' : `z ${readable(z, 5)}`,
    isThere(found) && !['SN', 'MAG_WHITE', 'Z', 'STATUS'].includes(column)
      ? `${label} ${typeof found === 'number' ? readable(found) : found}` : '',
  ].filter(Boolean).join(' \u00b7 ');
}

/** The colour of each source by a column: `fill` gives it for a row, `legend` are the elements that explain it. */
function colouring(column, colours) {
  const found = Table.rows.map((row) => value(row, column)).filter(isThere);
  const kinds = [...new Set(found)].sort((a, b) => compared(a, b, false));
  const none = colour('--unjudged');
  const isScale = kinds.length > MOST_KINDS && kinds.every((one) => typeof one === 'number');
  if (isScale) return scaled(column, found, colours, none);
  const isQuality = ['QUALITY', 'ZQUAL'].includes(column);
  const listed = column === 'VERDICT' ? VERDICTS : isQuality ? [3, 2, 1, 0] : kinds.slice(0, MOST_KINDS);
  const known = isQuality ? QUALITY_COLOURS : KIND_COLOURS;
  const hues = new Map(listed.map((kind, place) => [kind, colour(known[kind] ?? `--line-${place}`)]));
  const numbers = new Map();
  for (const row of Table.view) {
    const kind = value(row, column);
    const name = hues.has(kind) ? kind : isThere(kind) ? 'others' : 'none';
    numbers.set(name, (numbers.get(name) ?? 0) + 1);
  }
  const entry = (name, hue) => {
    const mark = element('i', { class: 'ring', 'aria-hidden': 'true' });
    mark.style.borderColor = hue;
    return element('span', {}, mark, `${name} ${numbers.get(name) ?? 0}`);
  };
  const others = ['others', 'none'].filter((name) => numbers.has(name)).map((name) => entry(name, none));
  return {
    fill: (row) => hues.get(value(row, column)) ?? none,
    legend: [...[...hues].map(([kind, hue]) => entry(kind, hue)), ...others],
  };
}

/** Colours of numbers, from the 5th to the 95th percentile. */
function scaled(column, found, colours, none) {
  const known = sorted(found);
  const [low, high] = [0.05, 0.95].map((share) => known[Math.round(share * (known.length - 1))]);
  const last = colours.length / 3 - 1;
  // The end of the colours that is like the paper is left out.
  const [from, to] = document.documentElement.dataset.theme === 'dark' ? [0.25, 1] : [0, 0.85];
  const hue = (share) => {
    const place = 3 * Math.round(last * (from + (to - from) * Math.min(1, Math.max(0, share))));
    return `rgb(${colours.subarray(place, place + 3).join(' ')})`;
  };
  const bar = element('i', { class: 'scale', 'aria-hidden': 'true' });
  bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(hue).join(', ')})`;
  const { unit } = Table.columns.find(({ name }) => name === column) ?? {};
  return {
    fill: (row) => {
      const one = value(row, column);
      return typeof one === 'number' ? hue((one - low) / (high - low || 1)) : none;
    },
    legend: [element('span', {}, readable(low, 3), bar, readable(high, 3) + (unit ? ` ${unit}` : ''))],
  };
}

globalThis.autospecField = (field) => Field.receive(field);

byId('asMap').onclick = () => Field.toggle();
byId('paint').onchange = ({ target }) => {
  Field.column = target.value;
  Store.set('field', target.value);
  Field.later();
};
byId('zoomIn').onclick = () => Field.zoom(1.5);
byId('zoomOut').onclick = () => Field.zoom(1 / 1.5);
byId('zoomAll').onclick = () => Field.whole();
byId('map').onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Field.data) return;
  if (!Field.pressed(event.key, event.shiftKey)) return;
  event.preventDefault();
  event.stopPropagation();
};
byId('map').addEventListener('wheel', (event) => {
  if (!Field.data) return;
  event.preventDefault();
  Field.zoom(Math.exp(-0.0015 * event.deltaY), within(byId('map'), event));
}, { passive: false });
byId('map').onpointerdown = (start) => {
  if (!Field.data || start.button !== 0) return;
  const map = byId('map');
  map.setPointerCapture(start.pointerId);
  let [x, y, moved] = [start.clientX, start.clientY, false];
  map.onpointermove = (event) => {
    moved ||= Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > 3;
    if (moved) Field.pan(event.clientX - x, event.clientY - y);
    [x, y] = [event.clientX, event.clientY];
  };
  const end = (event) => {
    map.onpointermove = follow;
    map.onpointercancel = null;
    if (moved || event.type === 'pointercancel') return;
    const id = Field.at(within(map, event));
    if (id === undefined) return;
    Field.cursor = id;
    show(id);
  };
  map.onpointerup = (event) => { map.onpointerup = null; end(event); };
  map.onpointercancel = end;
};
const follow = (event) => { if (Field.data) Field.point(event); };
byId('map').onpointermove = follow;
byId('map').onpointerleave = () => { Field.pointed = null; byId('fieldTip').hidden = true; Field.later(); };
new ResizeObserver(() => Field.later()).observe(byId('map'));
