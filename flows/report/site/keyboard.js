'use strict';
// Single keys, as the help dialog lists them. Never while somebody types.

(function (page) {
  const ARROWS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];
  // A key that is held down goes on through the photos, but decides nothing: what comes after the
  // first press is about photos that nobody has looked at.
  const HELD = ['j', 'k', ...ARROWS];
  const SHORTCUTS = [
    ['j or →', 'Next photo'],
    ['k or ←', 'Previous photo'],
    ['a', 'Accept'],
    ['r', 'Reject'],
    ['d', 'Redo: open the settings'],
    ['u', 'Undo the decision'],
    ['n', 'Write a note'],
    ['z', 'Zoom: whole picture, or 100 %'],
    ['b', 'Flip between the original and the result'],
    ['c', 'Restored or colorized'],
    ['← →', 'On the slider: move it'],
    ['Shift and arrows', 'Move a zoomed picture'],
    ['/', 'Search the photos'],
    ['g', 'Next section'],
    ['Esc', 'Back to the list; close a dialog'],
    ['?', 'This help'],
  ];

  function isTyping({ target }) {
    return target.matches(
      'textarea, select, input:not([type=checkbox], [type=range], [type=file]), [contenteditable]',
    );
  }

  // Keys that mean something to what has the focus.
  function isTaken({ target, key }) {
    if (target.matches('input[type=range]')) return ARROWS.includes(key);
    return key === 'Enter' && target.matches('a, button, summary');
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape' && isTyping(event)) {
      event.target.blur();
      return;
    }
    if (isTyping(event) || isTaken(event)) return;
    if (page.view?.compare?.panByKey(event)) {
      event.preventDefault();
      return;
    }
    const action = actions()[event.key];
    if (!action) return;
    event.preventDefault();
    if (!event.repeat || HELD.includes(event.key)) action();
  }

  function actions() {
    return { '?': showHelp, '/': search, g: nextSection, ...(page.view?.keys ?? {}) };
  }

  function search() {
    window.location.hash = '#photos';
    page.afterRoute = () => page.view?.filters?.controls.get('q').focus();
  }

  function nextSection() {
    const order = ['#summary', '#review', '#photos', '#decisions'];
    const at = order.findIndex((address) => window.location.hash.startsWith(address));
    window.location.hash = order[(at + 1) % order.length];
  }

  function showHelp() {
    const dialog = document.getElementById('help-dialog');
    const list = dialog.querySelector('dl');
    if (!list.childElementCount) {
      for (const [keys, meaning] of SHORTCUTS) {
        list.append(
          page.dom.element('dt', {}, page.dom.element('kbd', {}, keys)),
          page.dom.element('dd', {}, meaning),
        );
      }
    }
    dialog.showModal();
  }

  page.keyboard = {
    start() {
      document.addEventListener('keydown', pressed);
      document.getElementById('help').addEventListener('click', showHelp);
    },
  };
})(window.restoreArchive.page);
