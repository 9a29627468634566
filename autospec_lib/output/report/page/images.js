'use strict';
// The images of a source beside its spectra: white light, the user's images, maps, and the narrow band.

const BAND = 'Narrow band';  // the key of the narrow-band image; no key of a product has a blank
const KINDS = { image: 'image', 'cross-correlation map': 'cross-correlation map' };

const Images = {
  list: [],  // of the source at hand: {key, about, unit, values, limits}
  chosen: null,  // the key of the one that is shown large; null for the first
  stretch: 'asinh',
  marks: true,
  edges: [],
  pointed: null,  // the spaxel [y, x] under the mouse
  cursor: null,  // the spaxel [y, x] that the arrow keys move

  /** Take over the images of a source. */
  fill(data) {
    Narrow.clear();
    const { images = [], shape, mask } = data;
    this.list = images.map(({ key, unit, kind, data: text }) => (
      { key, unit, about: KINDS[kind] ?? kind, ...seen(decoded(text)) }));
    const bits = mask ? decoded(mask, Uint8Array) : [];
    this.edges = mask ? edgesOf((place) => (bits[place >> 3] >> (place & 7)) & 1, shape) : [];
    [this.pointed, this.cursor] = [null, null];
    byId('images').hidden = !this.list.length;
    byId('bandTool').hidden = !data.cube;
    this.later();
  },

  /** Show nothing: the source has no data. */
  clear() {
    this.list = [];
    byId('images').hidden = true;
  },

  /** Show an image large. */
  choose(key) {
    this.chosen = key;
    this.later();
  },

  /** Show the next image large. */
  next() {
    const all = this.all();
    const place = all.indexOf(this.current(all));
    if (all.length) this.choose(all[(place + 1) % all.length].key);
  },

  /** The images, with that of the narrow band if there is one. */
  all() {
    const cube = Narrow.loaded();
    if (!cube || Narrow.wave === null) return this.list;
    const values = Narrow.image(cube);
    const per = ` ${Source.data.wave_unit}⁻¹`;
    const unit = Source.data.unit.endsWith(per) ? Source.data.unit.slice(0, -per.length)
      : `${Source.data.unit} ${Source.data.wave_unit}`;
    return [{ key: BAND, unit, about: 'the line without the continuum', ...seen(values) }, ...this.list];
  },

  current(all) {
    return all.find(({ key }) => key === this.chosen) ?? all.find(({ key }) => key !== BAND);
  },

  /** How the large image lies on its canvas. */
  sight(canvas) {
    const { shape: [ny, nx], pixel: [dy, dx] } = Source.data;
    const scale = Math.min(canvas.clientWidth / (nx * dx), canvas.clientHeight / (ny * dy));
    return new Sight(canvas, [(ny - 1) / 2, (nx - 1) / 2], scale, [dy, dx]);
  },

  draw() {
    const { data } = Source;
    if (!data || !this.list.length) return;
    const all = this.all();
    const current = this.current(all);
    const colours = decoded(data.palette, Uint8Array);
    const look = (one) => painted(one.values, data.shape, this.stretch, one.limits, colours);
    byId('imageList').replaceChildren(...all.map((one) => this.button(one, look(one), one === current)));
    byId('imageName').textContent = current.key;
    byId('imageName').title = `${current.key}: ${current.about}`;
    const canvas = byId('image');
    const pen = penOf(canvas);
    const sight = this.sight(canvas);
    sight.draw(pen, look(current), data.shape);
    if (this.marks) this.mark(pen, sight);
    for (const spaxel of [Narrow.spaxel, this.cursor]) if (spaxel) this.box(pen, sight, spaxel);
    const [ny, nx] = data.shape;
    canvas.setAttribute('aria-label', `${current.key} of source ${data.id}, ${nx} by ${ny} spaxels`);
    const cube = Narrow.loaded();
    if (cube && Narrow.half) {
      byId('bandWidth').value = Math.round((2 * Narrow.half) / cube.bin);
      byId('bandSays').textContent = `${readable(2 * Narrow.half, 3)}\u2009${data.wave_unit}`;
    }
    this.tell(current);
  },

  button(one, picture, isCurrent) {
    picture.style.aspectRatio = `${Source.data.shape[1] * Source.data.pixel[1]} / ${
      Source.data.shape[0] * Source.data.pixel[0]}`;
    const made = element('button', { type: 'button', title: `${one.key}: ${one.about}` },
      picture, element('small', {}, one.key));
    made.setAttribute('aria-pressed', String(isCurrent));
    made.onclick = () => this.choose(one.key);
    return made;
  },

  /** The object mask's outline, the source, its neighbours, north, east and a scale. */
  mark(pen, sight) {
    const { data } = Source;
    sight.trace(pen, this.edges, 'white', 1.2);
    const labels = new Labels(pen, sight.width, sight.height);
    labels.keep(34, sight.height - 18, 34, 6);
    labels.keep(sight.width - 26, sight.height - 26, 26);
    const [y, x] = data.centre;
    crossed(pen, sight.x(x), sight.y(y), 5, 'white');
    for (const { id, place } of neighboursOf(data)) {
      const [left, top] = [sight.x(place[1]), sight.y(place[0])];
      pen.beginPath();
      pen.arc(left, top, 5, 0, 2 * Math.PI);
      haloed(pen, colour('--spaxel'), 1.5);
      labels.write(id, left, top, 9);
    }
    sight.bar(pen);
    sight.arrows(pen, data);
  },

  box(pen, sight, [y, x]) {
    pen.beginPath();
    pen.rect(sight.x(x - 0.5), sight.y(y + 0.5), sight.sx, sight.sy);
    haloed(pen, colour('--spaxel'), 2);
  },

  /** The line below the image: the value under the mouse, else how the image was made. */
  tell(current = this.current(this.all())) {
    const { data } = Source;
    const spaxel = this.pointed ?? this.cursor;
    let words = `${current.about}${this.edges.length ? '; outline: object mask' : ''}`;
    if (current.key === BAND) words = `${Narrow.words(data)}, continuum subtracted`;
    if (spaxel) {
      const value = current.values[spaxel[0] * data.shape[1] + spaxel[1]];
      words = `${spaxel[1] + 1}, ${spaxel[0] + 1}: ${Number.isFinite(value) ? readable(value) : 'no value'}`;
      if (current.unit) words += ` ${current.unit}`;
    }
    byId('imageNote').textContent = words;
  },

  /** The spaxel [y, x] under the mouse; null outside. */
  spaxelAt(event) {
    const { shape: [ny, nx] } = Source.data;
    const [y, x] = this.sight(byId('image')).pixel(...within(byId('image'), event)).map(Math.round);
    return y >= 0 && y < ny && x >= 0 && x < nx ? [y, x] : null;
  },

  /** Handle a key in the image: arrows move the spaxel whose spectrum is shown; false for other keys. */
  pressed(key) {
    const { data } = Source;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[key];
    if (step) {
      const start = this.cursor ?? Narrow.spaxel ?? data.centre.map(Math.round);
      const moved = this.cursor || Narrow.spaxel ? start.map((place, axis) => place + step[axis]) : start;
      this.cursor = moved.map((place, axis) => Math.min(Math.max(place, 0), data.shape[axis] - 1));
      if (data.cube) Narrow.spectrumOf(this.cursor);
      this.later();
    } else if (key === 'Escape' && (this.cursor || Narrow.spaxel)) {
      this.cursor = null;
      Narrow.spectrumOf(null);
    } else return false;
    return true;
  },
};
Images.later = oncePerFrame(() => Images.draw());

const seen = (values) => ({ values, limits: cutsOf(values) });

/** Other sources of the catalogue in the cut-out: their IDs and positions [y, x] in it. */
function neighboursOf(data) {
  const own = Table.byId.get(data.id)?.cells;
  const [ny, nx] = data.shape;
  return Table.rows.filter(({ id, cells }) => id !== data.id && typeof cells.X_CUBE === 'number')
    .map(({ id, cells }) => (
      { id, place: [cells.Y_CUBE - own.Y_CUBE + data.centre[0], cells.X_CUBE - own.X_CUBE + data.centre[1]] }))
    .filter(({ place: [y, x] }) => y > -0.5 && x > -0.5 && y < ny - 0.5 && x < nx - 0.5);
}

/** Four strokes that leave the middle free. */
function crossed(pen, x, y, free, stroke) {
  pen.beginPath();
  for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.moveTo(x + right * free, y + down * free);
    pen.lineTo(x + right * (free + 7), y + down * (free + 7));
  }
  haloed(pen, stroke, 1.5);
}

byId('image').onpointermove = (event) => { Images.pointed = Images.spaxelAt(event); Images.tell(); };
byId('image').onpointerleave = () => { Images.pointed = null; Images.tell(); };
byId('image').onclick = (event) => {
  const spaxel = Images.spaxelAt(event);
  if (!spaxel || !Source.data.cube) return;
  const isSame = String(spaxel) === String(Narrow.spaxel);
  Images.cursor = null;
  Narrow.spectrumOf(isSame ? null : spaxel);
};
byId('image').onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Images.pressed(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
};
byId('stretch').onchange = ({ target }) => { Images.stretch = target.value; Images.later(); };
byId('marks').onchange = ({ target }) => { Images.marks = target.checked; Images.later(); };
byId('bandWidth').oninput = ({ target }) => {
  const cube = Narrow.loaded();
  if (!cube) return;
  Narrow.half = (target.valueAsNumber / 2) * cube.bin;
  Images.later();
  Spectrum.overlay();
};
new ResizeObserver(() => Images.later()).observe(byId('image'));
