'use strict';
// Small helpers. Text from catalogues, headers and file names becomes text nodes or attributes, never markup.

const byId = (id) => document.getElementById(id);

/** An element with properties ('class' and names with a dash are attributes) and children: elements or text. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'class' || name.includes('-')) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** The address of a file beside the page, whose name may hold any character. */
const address = (path) => path.split('/').map(encodeURIComponent).join('/');

/** Announce a text to screen readers, and show it on the screen for a moment. */
function announce(text) {
  const place = byId('live');
  place.textContent = text;
  place.classList.add('shown');
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => place.classList.remove('shown'), 2500);
}

/** A number in readable form: with this many digits and without superfluous zeros. */
function readable(value, digits = 4) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(digits - 1).replace('e+', 'e').replace('-', '\u2212');
  return String(Number(value.toPrecision(digits))).replace('-', '\u2212');
}

/** Numbers from base64; `Kind` is Float32Array, Float64Array or Uint8Array. Files hold the lowest byte first. */
function decoded(text, Kind = Float32Array) {
  return new Kind(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

/** Load a script beside the page; a page that is opened from disk cannot read files in any other way. */
function loadScript(source) {
  return new Promise((resolve, reject) => {
    const script = element('script', { src: source, async: true });
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`${source} cannot be read`)); };
    document.head.append(script);
  });
}

/**
 * Values that this browser stores for this field, by name. What its store has no room for is kept in the store of this
 * window, which survives a reload but not the window, and if that is full too, by the page alone.
 */
const Store = {
  field: '',
  held: new Map(),  // what neither store has taken, null for a value that is removed
  key(name) {
    return `AutoSpec ${this.field} ${name}`;
  },
  get(name, otherwise) {
    if (this.held.has(name)) return this.held.get(name) ?? otherwise;
    for (const place of ['sessionStorage', 'localStorage']) {
      try {
        const text = globalThis[place].getItem(this.key(name));
        if (text !== null) return JSON.parse(text) ?? otherwise;
      } catch { /* refused, or not from this page */ }
    }
    return otherwise;
  },
  /** All values whose names begin like this. */
  entries(beginning) {
    const found = new Map();
    const prefix = this.key(beginning);
    const keys = ['localStorage', 'sessionStorage'].flatMap((place) => {
      try { return Object.keys(globalThis[place]); } catch { return []; }
    }).filter((key) => key.startsWith(prefix)).map((key) => key.slice(this.key('').length));
    const held = [...this.held.keys()].filter((name) => name.startsWith(beginning));
    for (const name of [...keys, ...held]) found.set(name, this.get(name, null));
    return found;
  },
  /** Keep a value, null to remove it; true if it will still be there when this window is closed. */
  set(name, value) {
    const key = this.key(name);
    const put = (place) => {
      try {
        if (value === null) globalThis[place].removeItem(key);
        else globalThis[place].setItem(key, JSON.stringify(value));
        return true;
      } catch {
        return false;
      }
    };
    const kept = put('localStorage');
    if (kept) {
      this.held.delete(name);
      try { sessionStorage.removeItem(key); } catch { /* refused: there is nothing in it */ }
    } else if (put('sessionStorage')) {
      this.held.delete(name);
    } else {
      this.held.set(name, value);
    }
    return kept;
  },
  /** The names of values that will be gone when this window is closed. */
  unkept() {
    let names = [];
    try { names = Object.keys(sessionStorage); } catch { /* refused */ }
    const prefix = this.key('');
    const inWindow = names.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    return [...new Set([...inWindow, ...this.held.keys()])];
  },
};

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not allowed: select it the old way
    const area = element('textarea', { value: text });
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  announce(`${what} copied`);
}

function download(name, text, type) {
  const link = element('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
