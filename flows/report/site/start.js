'use strict';
// The only script that the page waits for: it sets the theme before anything is painted, and makes
// the one global name. Data files call functions of `restoreArchive`; the page's own parts are in
// `restoreArchive.page`.
window.restoreArchive = { page: {} };

(function (page) {
  const THEME_KEY = 'restore-archive.theme';
  const THEMES = ['auto', 'light', 'dark'];
  const root = document.documentElement;

  // What this browser remembers. Storage may be switched off or full: then it remembers nothing.
  page.memory = {
    get(key) {
      try {
        return window.localStorage.getItem(key);
      } catch {
        return null;
      }
    },
    // Whether it was kept.
    set(key, value) {
      try {
        window.localStorage.setItem(key, value);
        return true;
      } catch {
        return false;
      }
    },
  };

  // The system's scheme, unless the reader chose one; paper is always white.
  const dark = window.matchMedia('(prefers-color-scheme: dark)');

  function applyScheme() {
    const { theme, printing } = root.dataset;
    const isDark = !printing && (theme === 'dark' || (theme === 'auto' && dark.matches));
    const scheme = isDark ? 'dark' : 'light';
    if (root.dataset.scheme === scheme) return;
    root.dataset.scheme = scheme;
    window.dispatchEvent(new Event('schemechange'));
  }

  function setPrinting(isPrinting) {
    if (isPrinting) root.dataset.printing = 'yes';
    else delete root.dataset.printing;
    applyScheme();
  }

  page.theme = {
    next() {
      root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      page.memory.set(THEME_KEY, root.dataset.theme);
      applyScheme();
    },
  };

  const kept = page.memory.get(THEME_KEY);
  root.dataset.theme = THEMES.includes(kept) ? kept : 'auto';
  applyScheme();
  dark.addEventListener('change', applyScheme);
  window.addEventListener('beforeprint', () => setPrinting(true));
  window.addEventListener('afterprint', () => setPrinting(false));
})(window.restoreArchive.page);
