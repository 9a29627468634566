'use strict';
// Loaded before the page is drawn, so that it does not flash in the wrong colours.
const THEME_KEY = 'AutoSpec theme';

function chosenTheme() {
  try {
    const kept = localStorage.getItem(THEME_KEY);
    if (kept === 'light' || kept === 'dark') return kept;
  } catch { /* the browser keeps nothing */ }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

document.documentElement.dataset.theme = chosenTheme();
