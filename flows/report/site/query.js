'use strict';
// What the table of photos shows: filters, search and order, as they stand in the address.

(function (page) {
  const PAGE_ROWS = 100;

  // Measures that can be filtered by a range, with digits shown.
  const RANGES = {
    noise_sigma: 1,
    noise_sigma_after: 1,
    blur_sigma: 2,
    blur_sigma_after: 2,
    change_psnr_db: 1,
    change_ssim: 3,
    change_delta_e00: 2,
    width: 0,
    height: 0,
  };
  const SORTS = [
    'source',
    'status',
    'plan',
    ...Object.keys(RANGES),
    'camera',
    'format',
    'needs_review',
    'decision',
  ];
  const EXACT = ['status', 'plan', 'camera', 'format', 'error_class', 'run_id'];
  const NONE = '(none)'; // stands for no value in an address

  class Query {
    constructor(parameters = new URLSearchParams()) {
      this.parameters = new URLSearchParams(parameters);
    }

    get(name) {
      return this.parameters.get(name) ?? '';
    }

    // The same query with other values; back to the first page unless that is what changes.
    with(changes) {
      const made = new Query(this.parameters);
      if (!('page' in changes)) made.parameters.delete('page');
      for (const [name, value] of Object.entries(changes)) {
        if (value === '' || value === null || value === undefined) made.parameters.delete(name);
        else made.parameters.set(name, value);
      }
      return made;
    }

    get address() {
      const text = this.parameters.toString();
      return text ? `#photos?${text}` : '#photos';
    }

    get page() {
      return Math.max(1, Number.parseInt(this.get('page'), 10) || 1);
    }

    get sort() {
      const name = this.get('sort').replace(/^-/, '');
      return SORTS.includes(name) ? name : 'source';
    }

    get descending() {
      return this.get('sort').startsWith('-');
    }

    // [least, most] of a measure, NaN where open; null without a range.
    range(name) {
      const text = this.get(name);
      if (!text) return null;
      const [least, most] = text.split('..');
      return [Number.parseFloat(least), Number.parseFloat(most)];
    }

    // Names of what narrows the table down.
    get filters() {
      return [...this.parameters.keys()].filter(
        (name) => !['page', 'sort', 'below'].includes(name),
      );
    }

    // Whether all rows are shown in the order of the files, so that a page needs only its own.
    get isPlain() {
      return this.filters.length === 0 && this.sort === 'source';
    }
  }

  // The numbers of the rows that a query shows, in its order. All rows must be there, unless the
  // query is plain.
  function rowsOf(table, query, decisions) {
    if (query.isPlain) return plain(table.size, query.descending);
    const tests = testsOf(table, query, decisions);
    const found = new Uint32Array(table.size);
    let count = 0;
    for (let row = 0; row < table.size; row += 1) {
      if (tests.every((test) => test(row))) {
        found[count] = row;
        count += 1;
      }
    }
    return sorted(found.slice(0, count), table, query, decisions);
  }

  function plain(size, descending) {
    const rows = new Uint32Array(size);
    for (let row = 0; row < size; row += 1) rows[row] = descending ? size - 1 - row : row;
    return rows;
  }

  function testsOf(table, query, decisions) {
    const tests = [];
    const review = query.get('review');
    if (review) tests.push((row) => table.needsReview[row] === (review === 'yes' ? 1 : 0));
    for (const name of EXACT) {
      if (query.get(name)) tests.push(isValue(table.texts[name], query.get(name)));
    }
    if (query.get('step')) tests.push(isAmong(table.texts.plan, query.get('step')));
    if (query.get('degradation'))
      tests.push(isAmong(table.texts.degradations, query.get('degradation')));
    if (query.get('decision')) tests.push(isDecided(table, decisions, query.get('decision')));
    for (const name of Object.keys(RANGES)) {
      if (query.range(name)) tests.push(isWithin(table.numbers[name], query.range(name)));
    }
    // The dearest last.
    if (query.parameters.has('folder'))
      tests.push(isIn(table, query.get('folder'), query.get('below')));
    if (query.get('q')) tests.push(isNamed(table, query.get('q')));
    return tests;
  }

  function isValue({ codes, known }, wanted) {
    const code = wanted === NONE ? 0 : known.get(wanted);
    const empty = wanted === NONE ? known.get('') : undefined; // an empty plan is none, too
    return (row) => codes[row] === code || codes[row] === empty;
  }

  // Whether a value such as denoise+deblur holds a part; NONE stands for no part at all.
  function isAmong({ codes, values }, wanted) {
    const fits = values.map((value) =>
      wanted === NONE ? !value : page.format.steps(value).includes(wanted),
    );
    return (row) => fits[codes[row]];
  }

  function isDecided(table, decisions, wanted) {
    return (row) => {
      const decided = decisionOf(table, decisions, row);
      return wanted === NONE ? decided === null : decided === wanted;
    };
  }

  // What was decided here, or else what the archive knows.
  function decisionOf(table, decisions, row) {
    return decisions.get(table.sources[row])?.decision ?? table.texts.review_decision.get(row);
  }

  // Bounds belong to the range. They are rounded like the table's 32-bit floats.
  function isWithin(values, [least, most]) {
    const from = Number.isNaN(least) ? -Infinity : Math.fround(least);
    const to = Number.isNaN(most) ? Infinity : Math.fround(most);
    return (row) => values[row] >= from && values[row] <= to;
  }

  function isIn(table, folder, below) {
    const within = folder === '' ? '' : `${folder}/`;
    return (row) => {
      const source = table.sources[row];
      if (!source.startsWith(within)) return false;
      return Boolean(below) || !source.includes('/', within.length);
    };
  }

  function isNamed(table, text) {
    const words = page.format.folded(text.trim());
    return (row) => page.format.folded(table.sources[row]).includes(words);
  }

  // Rows by a key, those without one last in either direction; equal ones stay by source.
  function sorted(rows, table, query, decisions) {
    const { sort, descending } = query;
    if (sort === 'source') return descending ? rows.reverse() : rows;
    const key = keyOf(table, sort, decisions);
    const keys = new Float64Array(table.size);
    for (const row of rows) keys[row] = key(row);
    const known = rows.filter((row) => !Number.isNaN(keys[row]));
    const unknown = rows.filter((row) => Number.isNaN(keys[row]));
    known.sort(
      descending ? (a, b) => keys[b] - keys[a] || a - b : (a, b) => keys[a] - keys[b] || a - b,
    );
    rows.set(known);
    rows.set(unknown, known.length);
    return rows;
  }

  function keyOf(table, sort, decisions) {
    if (sort in table.numbers) return (row) => table.numbers[sort][row];
    if (sort === 'needs_review') return (row) => table.needsReview[row];
    if (sort === 'decision') {
      const order = [null, 'redo', 'rejected', 'accepted'];
      return (row) => order.indexOf(decisionOf(table, decisions, row)) || NaN;
    }
    const { codes, values } = table.texts[sort];
    const order = new Intl.Collator('en', { numeric: true });
    const inOrder = values
      .map((_, code) => code)
      .sort((a, b) => order.compare(values[a] ?? '', values[b] ?? ''));
    const ranks = new Float64Array(values.length);
    inOrder.forEach((code, rank) => {
      ranks[code] = values[code] ? rank : NaN;
    });
    return (row) => ranks[codes[row]];
  }

  page.query = { Query, PAGE_ROWS, RANGES, SORTS, NONE, rowsOf, decisionOf };
})(window.restoreArchive.page);
