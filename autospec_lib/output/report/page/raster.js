'use strict';
// Images on canvases: the colours of their values, outlines, labels, arrows and scale bars.

const STRETCHES = {
  asinh: (value, { low, high, width }) => Math.asinh((value - low) / width) / Math.asinh((high - low) / width),
  linear: (value, { low, high }) => (value - low) / (high - low),
  log: (value, { low, high }) => Math.log1p((999 * Math.max(0, value - low)) / (high - low)) / Math.log(1000),
};
const ARROW = 22;  // pixels
const CLOSEST = 4;  // pixels that labels keep from each other

/** The finite values in ascending order. */
const sorted = (values) => Float32Array.from(values).filter(Number.isFinite).sort();

/** From below the background to just below the peak, and the width of the noise, where asinh is linear. */
function cutsOf(values, lowest = 0.05) {
  const known = sorted(values);
  if (!known.length) return { low: 0, high: 1, width: 1 };
  const at = (share) => known[Math.round(share * (known.length - 1))];
  const middle = at(0.5);
  const away = known.map((one) => Math.abs(one - middle)).sort();
  const low = at(lowest);
  const high = Math.max(at(0.998), low + 1e-6 * Math.abs(low));
  const width = Math.max(2 * 1.4826 * away[Math.floor(away.length / 2)], 0.03 * (high - low));
  return high > low ? { low, high, width } : { low: low - 1, high: low + 1, width: 1 };
}

/** A canvas with a pixel for each value, the first row at the bottom; colours are triples of bytes. */
function painted(values, [ny, nx], stretch, limits, colours) {
  const canvas = element('canvas', { width: nx, height: ny });
  const picture = new ImageData(nx, ny);
  const last = colours.length / 3 - 1;
  for (let y = 0; y < ny; y += 1) {
    for (let x = 0; x < nx; x += 1) {
      const value = values[y * nx + x];
      if (!Number.isFinite(value)) continue;  // transparent
      const place = 3 * Math.round(last * Math.min(1, Math.max(0, STRETCHES[stretch](value, limits))));
      const pixel = 4 * ((ny - 1 - y) * nx + x);
      picture.data.set(colours.subarray(place, place + 3), pixel);
      picture.data[pixel + 3] = 255;
    }
  }
  canvas.getContext('2d').putImageData(picture, 0, 0);
  return canvas;
}

/** The edges between pixels inside and outside, as [x, y, x, y] in pixels whose centres are whole numbers. */
function edgesOf(isInside, [ny, nx]) {
  const edges = [];
  const inside = (y, x) => y >= 0 && x >= 0 && y < ny && x < nx && Boolean(isInside(y * nx + x));
  for (let y = 0; y <= ny; y += 1) {
    for (let x = 0; x <= nx; x += 1) {
      if (inside(y, x) !== inside(y - 1, x)) edges.push([x - 0.5, y - 0.5, x + 0.5, y - 0.5]);
      if (inside(y, x) !== inside(y, x - 1)) edges.push([x - 0.5, y - 0.5, x - 0.5, y + 0.5]);
    }
  }
  return edges;
}

/** Where pixels of an image lie on a canvas: north may be anywhere, but x is to the right and y is up. */
class Sight {
  /** `scale` is in pixels of the screen per arcsec, `middle` the pixel [y, x] in the middle of the canvas. */
  constructor(canvas, middle, scale, pixel) {
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    [this.cy, this.cx] = middle;
    this.scale = scale;
    [this.sy, this.sx] = pixel.map((size) => size * scale);
  }

  x(x) { return this.width / 2 + (x - this.cx) * this.sx; }

  y(y) { return this.height / 2 - (y - this.cy) * this.sy; }

  /** The position [y, x] in the image of a point on the canvas. */
  pixel(left, top) {
    return [this.cy - (top - this.height / 2) / this.sy, this.cx + (left - this.width / 2) / this.sx];
  }

  /** Draw an image of so many pixels [ny, nx], each as large as `bin` of this sight's. */
  draw(pen, picture, [ny, nx], bin = 1) {
    pen.imageSmoothingEnabled = this.sx * bin < 1;
    pen.drawImage(picture, this.x(-0.5), this.y(ny * bin - 0.5), nx * bin * this.sx, ny * bin * this.sy);
  }

  /** Stroke edges, with a halo. */
  trace(pen, edges, stroke, width = 1.5, bin = 1) {
    const shift = (bin - 1) / 2;
    pen.beginPath();
    for (const [x0, y0, x1, y1] of edges) {
      pen.moveTo(this.x(x0 * bin + shift), this.y(y0 * bin + shift));
      pen.lineTo(this.x(x1 * bin + shift), this.y(y1 * bin + shift));
    }
    haloed(pen, stroke, width);
  }

  /** Arrows to north and east in the lower right corner; `compass` has their steps [x, y] in pixels. */
  arrows(pen, { north, east }) {
    const ends = [['N', north], ['E', east]].map(([letter, [x, y]]) => {
      const [right, down] = [x * this.sx, -y * this.sy];
      const length = Math.hypot(right, down);
      return [letter, right / length, down / length];
    });
    if (!ends.every(([, right, down]) => Number.isFinite(right + down))) return;
    const start = (place, most) => most - 16 - Math.max(0, ...ends.map((end) => end[place])) * (ARROW + 8);
    const [left, top] = [start(1, this.width), start(2, this.height)];
    for (const [letter, right, down] of ends) {
      const [x, y] = [left + right * ARROW, top + down * ARROW];
      pen.beginPath();
      pen.moveTo(left, top);
      pen.lineTo(x, y);
      for (const side of [-1, 1]) {
        pen.moveTo(x, y);
        pen.lineTo(x - 5 * right - side * 3.5 * down, y - 5 * down + side * 3.5 * right);
      }
      haloed(pen, pen.ink, 1.5);
      labelled(pen, letter, left + right * (ARROW + 8), top + down * (ARROW + 8), { align: 'center' });
    }
  }

  /** A bar of a round length in the lower left corner. */
  bar(pen) {
    const length = niceStep(this.width / this.scale / 9);
    const y = this.height - 12;
    pen.beginPath();
    pen.moveTo(12, y);
    pen.lineTo(12 + length * this.scale, y);
    haloed(pen, pen.ink, 2);
    labelled(pen, length < 60 ? `${readable(length, 2)}\u2033` : `${readable(length / 60, 2)}\u2032`, 12, y - 10);
  }
}

/** Stroke the path with a border, so that it is seen on any image. */
function haloed(pen, stroke, width) {
  pen.lineCap = 'round';
  pen.strokeStyle = pen.halo;
  pen.lineWidth = width + 2;
  pen.stroke();
  pen.strokeStyle = stroke;
  pen.lineWidth = width;
  pen.stroke();
}

function labelled(pen, text, x, y, { align = 'left', fill = pen.ink } = {}) {
  pen.textAlign = align;
  pen.textBaseline = 'middle';
  pen.lineJoin = 'round';
  pen.strokeStyle = pen.halo;
  pen.lineWidth = 3;
  pen.strokeText(text, x, y);
  pen.fillStyle = fill;
  pen.fillText(text, x, y);
}

/** Keeps labels apart: tells whether there is still room for one, and takes it. */
class Labels {
  constructor(pen, width, height) {
    Object.assign(this, { pen, width, height, boxes: [] });
  }

  /** Write a text beside a point, on the side where there is room; false if there is none. */
  write(text, x, y, distance, options = {}) {
    const length = this.pen.measureText(text).width;
    for (const right of [true, false]) {
      const left = right ? x + distance : x - distance - length;
      const box = [left - CLOSEST, y - 7, left + length + CLOSEST, y + 7];
      const isInside = box[0] >= 0 && box[2] <= this.width && box[1] >= 0 && box[3] <= this.height;
      const hits = (other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3];
      if (!isInside || this.boxes.some(hits)) continue;
      this.boxes.push(box);
      labelled(this.pen, text, left, y, options);
      return true;
    }
    return false;
  }

  /** Keep a rectangle free. */
  keep(x, y, width, height = width) {
    this.boxes.push([x - width, y - height, x + width, y + height]);
  }
}

/** A pen for a canvas, which is cleared and has the resolution of the screen; `ink` is for words and arrows. */
function penOf(canvas, ink = 'white', halo = 'rgba(0, 0, 0, .65)') {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  return Object.assign(pen, { ink, halo });
}

/** Where in an element an event of the mouse is. */
function within(target, { clientX, clientY }) {
  const box = target.getBoundingClientRect();
  return [clientX - box.left, clientY - box.top];
}

/** A function that does something once before the next frame of the screen, however often it is called. */
function oncePerFrame(what) {
  let frame = 0;
  return () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(what);
  };
}
