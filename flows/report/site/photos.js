'use strict';
// The table of all photos, a page of them at a time.

(function (page) {
  const { element } = page.dom;
  const { measure, number } = page.format;

  // Name, heading, what a cell holds; `hide` names the class of what narrow screens leave out.
  const COLUMNS = [
    {
      name: 'source',
      label: 'Photo',
      cell: (photo) => element('a', { href: `#photo/${photo.row}` }, page.dom.path(photo.source)),
    },
    { name: 'status', label: 'Status', cell: (photo) => page.format.status(photo.status) },
    {
      name: 'needs_review',
      label: 'Review',
      cell: (photo) =>
        photo.needs_review
          ? element(
              'span',
              { class: 'badge review' },
              element('span', { class: 'sign', 'aria-hidden': 'true' }, '◉'),
              element('span', { class: 'word' }, ' Needed'),
            )
          : '–',
    },
    {
      name: 'decision',
      label: 'Decision',
      hide: 'middling',
      cell: (photo) => (photo.decision ? page.format.decision(photo.decision) : '–'),
    },
    {
      name: 'plan',
      label: 'Steps',
      hide: 'wide',
      cell: (photo) => page.format.steps(photo.plan).join(', ') || photo.error_class || '–',
    },
    {
      name: 'noise_sigma',
      label: 'Noise',
      unit: 'before → after',
      hide: 'middling',
      number: true,
      cell: (photo) => beforeAfter(photo.noise_sigma, photo.noise_sigma_after, 1),
    },
    {
      name: 'blur_sigma',
      label: 'Blur',
      unit: 'px',
      hide: 'middling',
      number: true,
      cell: (photo) => beforeAfter(photo.blur_sigma, photo.blur_sigma_after, 2),
    },
    {
      name: 'change_psnr_db',
      label: 'PSNR',
      unit: 'dB',
      hide: 'middling',
      number: true,
      cell: (photo) => measure(photo.change_psnr_db, 1),
    },
    {
      name: 'change_ssim',
      label: 'SSIM',
      number: true,
      hide: 'wide',
      cell: (photo) => measure(photo.change_ssim, 3),
    },
    {
      name: 'change_delta_e00',
      label: 'ΔE00',
      number: true,
      hide: 'wide',
      cell: (photo) => measure(photo.change_delta_e00, 2),
    },
    {
      name: 'width',
      label: 'Size',
      unit: 'px',
      number: true,
      hide: 'wide',
      cell: (photo) => (photo.width ? `${photo.width} × ${photo.height}` : '–'),
    },
    {
      name: 'camera',
      label: 'Camera',
      hide: 'wide',
      cell: (photo) => (photo.camera ? page.dom.name(photo.camera) : '–'),
    },
  ];

  function beforeAfter(before, after, digits) {
    if (before === null && after === null) return '–';
    return after === null
      ? measure(before, digits)
      : `${measure(before, digits)} → ${measure(after, digits)}`;
  }

  class PhotosView {
    constructor(main) {
      this.main = main;
      this.filters = new page.Filters((changes) => this.change(changes));
      this.count = element('p', { class: 'count' });
      this.loading = element('div', { class: 'loading', hidden: true });
      this.body = element('div', { class: 'results' });
      page.dom.replace(
        main,
        element('h1', { tabindex: -1 }, 'Photos'),
        this.filters.node,
        this.count,
        this.loading,
        this.body,
      );
    }

    title() {
      return 'Photos';
    }

    async update({ parameters }) {
      const current = (this.current = Symbol('query'));
      const query = (this.query = new page.query.Query(parameters));
      this.filters.show(query);
      if (!query.isPlain && !page.table.isWhole) await this.loadAll();
      if (current !== this.current) return false;
      const rows = this.rowsOf(query);
      const pages = Math.max(1, Math.ceil(rows.length / page.query.PAGE_ROWS));
      const at = Math.min(query.page, pages);
      const shown = rows.subarray((at - 1) * page.query.PAGE_ROWS, at * page.query.PAGE_ROWS);
      await page.table.need(shown);
      if (current !== this.current) return false;
      page.list = { rows, back: query.address, label: 'Photos' };
      this.render(shown, rows.length, at, pages);
      return true;
    }

    // A query's rows; those of the last one are kept while pages are turned.
    rowsOf(query) {
      const key = query.with({}).parameters.toString();
      if (this.lastKey !== key || query.get('decision') || query.sort === 'decision') {
        this.lastRows = page.query.rowsOf(page.table, query, page.decisions);
        this.lastKey = key;
      }
      return this.lastRows;
    }

    async loadAll() {
      const bar = element('progress', {
        max: page.table.size,
        value: 0,
        'aria-label': 'Rows read',
      });
      const text = element('span', {}, 'Reading all rows …');
      page.dom.replace(this.loading, bar, text);
      this.loading.hidden = false;
      try {
        await page.table.needAll((done) => {
          bar.value = done;
          text.textContent = `Reading all rows: ${number(done)} of ${number(page.table.size)}`;
        });
      } finally {
        this.loading.hidden = true;
      }
    }

    render(shown, found, at, pages) {
      const { query } = this;
      const first = (at - 1) * page.query.PAGE_ROWS + 1;
      const text = found
        ? `${page.format.count(found, 'photo')}${pages > 1 ? `, ${number(first)} to ${number(first + shown.length - 1)} shown` : ''}`
        : 'No photo is like that.';
      this.count.textContent = text;
      page.dom.announce(text);
      const address = (to) => query.with({ page: to > 1 ? to : '' }).address;
      page.dom.replace(
        this.body,
        found ? element('div', { class: 'scroller' }, this.tableElement(shown)) : null,
        page.dom.pager(at, pages, address),
      );
    }

    tableElement(rows) {
      const photos = Array.from(rows, (row) => ({
        ...page.table.row(row),
        decision: page.query.decisionOf(page.table, page.decisions, row),
      }));
      return element(
        'table',
        { class: 'photos' },
        element('caption', { class: 'visually-hidden' }, 'Photos; the headings sort'),
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            element('td', { class: 'thumb' }),
            COLUMNS.map((column) => this.heading(column)),
          ),
        ),
        element(
          'tbody',
          {},
          photos.map((photo) => tableRow(photo)),
        ),
      );
    }

    heading({ name, label, unit, hide, number: isNumber }) {
      const isSorted = this.query.sort === name;
      const descends = isSorted && !this.query.descending;
      const sort = `${descends ? '-' : ''}${name}`;
      const mark = isSorted ? (this.query.descending ? '↓' : '↑') : '';
      const direction = this.query.descending ? 'descending' : 'ascending';
      return element(
        'th',
        { scope: 'col', class: classes(hide, isNumber), 'aria-sort': isSorted ? direction : null },
        element(
          'a',
          {
            href: this.query.with({ sort: sort === 'source' ? '' : sort }).address,
            class: 'sort',
            'data-sort': name,
          },
          label,
          element('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
        ),
        unit ? element('small', {}, unit) : null,
      );
    }

    change(changes) {
      window.location.hash = this.query.with(changes).address;
    }

    leave() {
      this.current = null;
      this.filters.forgetSearch();
    }

    get keys() {
      return { '/': () => this.filters.controls.get('q').focus() };
    }
  }

  function classes(hide, isNumber) {
    return [hide, isNumber ? 'number' : ''].filter(Boolean).join(' ') || null;
  }

  function tableRow(photo) {
    const picture = photo.thumbnail
      ? element('img', { src: photo.thumbnail, alt: '', loading: 'lazy', decoding: 'async' })
      : element('span', { class: 'no-thumb', 'aria-hidden': 'true' });
    return element(
      'tr',
      {},
      element('td', { class: 'thumb' }, picture),
      COLUMNS.map((column, at) =>
        element(
          at ? 'td' : 'th',
          { scope: at ? null : 'row', class: classes(column.hide, column.number) },
          column.cell(photo),
        ),
      ),
    );
  }

  page.PhotosView = PhotosView;
})(window.restoreArchive.page);
