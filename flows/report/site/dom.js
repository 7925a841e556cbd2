'use strict';
// Elements. Everything that comes from a manifest goes through `element`: as text, or as the value
// of a harmless attribute, never as HTML.

(function (page) {
  const HARMFUL = /^(on|style$|srcdoc$|action$|formaction$)/i;
  const OWN_ADDRESS = /^(#|pictures\/[a-z0-9-]+\.webp$|blob:)/;

  // An element with attributes, listeners (`on: {click: …}`), and children: nodes, texts, lists of
  // them, or null. `true` is an attribute without a value; null and false leave it out.
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === 'on') {
        for (const [event, listener] of Object.entries(value))
          made.addEventListener(event, listener);
      } else if (value !== null && value !== undefined && value !== false) {
        setAttribute(made, name, value === true ? '' : String(value));
      }
    }
    append(made, children);
    return made;
  }

  function setAttribute(node, name, value) {
    if (HARMFUL.test(name)) throw new Error(`the attribute ${name} is not set by this page`);
    // An address from data might be a script, or a place elsewhere.
    if ((name === 'href' || name === 'src') && !OWN_ADDRESS.test(value)) return;
    node.setAttribute(name, value);
  }

  function append(node, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      node.append(child instanceof Node ? child : String(child));
    }
  }

  function replace(node, ...children) {
    node.replaceChildren();
    append(node, children);
    return node;
  }

  // A name from the manifest. <bdi> keeps right-to-left marks in it from turning the text around
  // it; the whole of a long one is in its title.
  function name(text, className = 'name') {
    const title = text.length > 60 ? text.slice(0, 4096) : null;
    return element('bdi', { class: className, title }, text);
  }

  // A photo's path: its folder small, its own name as it is.
  function path(source) {
    const { folder, file } = page.format.parts(source);
    return element(
      'bdi',
      { class: 'name path', title: source.length > 60 ? source.slice(0, 4096) : null },
      folder ? element('span', { class: 'folder' }, `${folder}/`) : null,
      element('span', { class: 'file' }, file),
    );
  }

  function button(label, listener, attributes = {}) {
    return element('button', { type: 'button', ...attributes, on: { click: listener } }, label);
  }

  // A labelled field: the control inside its label.
  function field(label, control, className = 'field') {
    return element('label', { class: className }, element('span', {}, label), control);
  }

  // A select with [value, label] options.
  function select(options, chosen, attributes = {}) {
    const made = element(
      'select',
      attributes,
      options.map(([value, label]) => element('option', { value }, label)),
    );
    made.value = chosen;
    return made;
  }

  // A table with a caption, headings and rows of cells: text, nodes, or numbers (to the right). The
  // first cell of a row is its heading.
  function table(caption, headings, rows, className = '') {
    const isNumber = headings.map((_, at) => rows.some((row) => isFigure(row[at])));
    const head = headings.map((text, at) =>
      element('th', { scope: 'col', class: isNumber[at] ? 'number' : null }, text),
    );
    const body = rows.map((row) =>
      element(
        'tr',
        {},
        row.map((cell, at) => tableCell(cell, at === 0, isNumber[at])),
      ),
    );
    return element(
      'div',
      { class: 'scroller' },
      element(
        'table',
        { class: className },
        element('caption', {}, caption),
        element('thead', {}, element('tr', {}, head)),
        element('tbody', {}, body),
      ),
    );
  }

  const isFigure = (value) => {
    const [cell] = [value].flat();
    return (
      typeof cell === 'number' || (cell instanceof Element && cell.classList.contains('figure'))
    );
  };

  function tableCell(cell, isHeading, isNumber) {
    const content = typeof cell === 'number' ? page.format.number(cell) : (cell ?? '–');
    const attributes = { class: isNumber ? 'number' : null, scope: isHeading ? 'row' : null };
    return element(isHeading ? 'th' : 'td', attributes, content);
  }

  // Says something to people who do not see the page; what they see must say it, too.
  function announce(text) {
    document.getElementById('announcement').textContent = text;
  }

  // Links to the pages of a long list. `address` gives the link of a page, counted from 1.
  function pager(current, pages, address) {
    if (pages < 2) return null;
    const link = (label, to, rel) =>
      to < 1 || to > pages
        ? element('span', { class: 'button disabled', 'aria-hidden': 'true' }, label)
        : element('a', { class: 'button', href: address(to), rel }, label);
    return element(
      'nav',
      { class: 'pager', 'aria-label': 'Pages' },
      link('« First', current > 1 ? 1 : 0, null),
      link('‹ Previous', current - 1, 'prev'),
      element('span', {}, `Page ${page.format.number(current)} of ${page.format.number(pages)}`),
      link('Next ›', current + 1, 'next'),
      link('Last »', current < pages ? pages : 0, null),
    );
  }

  page.dom = {
    element,
    replace,
    append,
    name,
    path,
    button,
    field,
    select,
    table,
    announce,
    pager,
  };
})(window.restoreArchive.page);
