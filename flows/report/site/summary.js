'use strict';
// The first page: what was done, how well, and what needs eyes.

(function (page) {
  const { element } = page.dom;
  const { number, count } = page.format;
  const SHOWN_ROWS = 8; // of a table before "Show all"

  class SummaryView {
    constructor(main) {
      const { summary } = page;
      this.main = main;
      page.dom.replace(
        main,
        this.head(),
        this.totals(),
        section('What needs eyes', 'eyes', element('div', { class: 'pair' }, this.reasons(), this.failures())),
        this.chartSections(),
        section('Where', 'where', element('div', { class: 'pair' }, this.folders(), this.cameras())),
        section('Models and runs', 'models', element('div', { class: 'pair' }, this.models(), this.runs())),
      );
      page.charts.drawSoon();
      this.name = summary.title;
    }

    title() {
      return 'Summary';
    }

    async update() {
      page.list = { rows: null, back: '#summary', label: 'Summary' };
      return true;
    }

    head() {
      const { summary } = page;
      return element(
        'header',
        { class: 'summary-head' },
        element('p', { class: 'overline' }, 'Audit report'),
        element('h1', { tabindex: -1 }, page.dom.name(summary.title)),
        this.headline(),
        this.lastRun(),
      );
    }

    headline() {
      const { totals } = page.summary;
      const link = (photos, text, changes) =>
        element('a', { href: page.summaryCharts.photosWith(changes) }, text(photos));
      const parts = [
        ['restored', (n) => `${number(n)} ${are(n)} restored`],
        ['nothing_to_do', (n) => `${number(n)} needed nothing`],
        ['skipped', (n) => `${number(n)} ${were(n)} skipped`],
        ['failed', (n) => `${number(n)} failed`],
        ['withdrawn', (n) => `${number(n)} ${are(n)} withdrawn`],
      ]
        .filter(([status]) => totals[status])
        .map(([status, text]) => link(totals[status], text, { status }));
      const review = totals.needs_review
        ? [element('a', { href: '#review', class: 'strong' }, `${number(totals.needs_review)} ${totals.needs_review === 1 ? 'needs' : 'need'} your eyes`), '.']
        : 'None needs review.';
      return element('p', { class: 'headline' }, `Of ${count(totals.photos, 'photo')}, `, listed(parts), '. ', review);
    }

    lastRun() {
      const run = page.summaryCharts.runTimes().at(-1);
      if (!run) return null;
      const rate = run.megapixels_per_second ? `, ${number(run.megapixels_per_second, 1)} megapixels a second` : '';
      return element(
        'p',
        { class: 'lead' },
        'The last run began on ', page.format.time(run.started), ` and worked on ${count(run.photos, 'photo')} in ${page.format.duration(run.seconds)}`,
        run.device ? ` on ${run.device}` : '', rate, '; ',
        run.failed ? element('strong', {}, `${number(run.failed)} failed`) : 'none failed', '.',
      );
    }

    totals() {
      const { totals } = page.summary;
      const all = page.summaryCharts.photosWith({});
      const entry = (label, value, address) => [element('dt', {}, label), element('dd', {}, address ? element('a', { href: address }, value) : value)];
      const status = (name) => [page.format.STATUSES[name].label, number(totals[name]), page.summaryCharts.photosWith({ status: name })];
      const decided = (name) => [page.format.DECISIONS[name].label, number(totals[name]), page.summaryCharts.photosWith({ decision: name })];
      const entries = [
        ['Photos', number(totals.photos), all],
        ...['restored', 'nothing_to_do'].map(status),
        ...['skipped', 'failed', 'withdrawn'].filter((name) => totals[name]).map(status),
        ['Colorized', number(totals.colorized), page.summaryCharts.photosWith({ step: 'colorize' })],
        ['Need review', number(totals.needs_review), '#review'],
        ...['accepted', 'rejected', 'redo'].filter((name) => totals[name]).map(decided),
        ['Pixels', page.format.megapixels(totals.megapixels), null],
        ['Originals', page.format.bytes(totals.bytes), null],
      ];
      return element('dl', { class: 'totals', 'aria-label': 'Totals' }, entries.map(([label, value, address]) => element('div', {}, entry(label, value, address))));
    }

    reasons() {
      const rows = page.summary.reasons.map(({ reason, photos }) => [
        element('a', { href: `#review?${new URLSearchParams({ reason })}` }, page.dom.name(reason)), photos,
      ]);
      return long('Reasons to look', ['Reason', 'Photos'], rows, 'Nothing needs review.');
    }

    failures() {
      const rows = page.summary.failures.map((failure) => [
        element('a', { href: page.summaryCharts.photosWith({ error_class: failure.error_class }) }, page.dom.name(failure.error_class)),
        failure.photos,
        [page.dom.name(failure.example_message ?? ''), element('div', { class: 'muted' }, page.dom.path(failure.example_source))],
      ]);
      return long('Failures', ['Kind', 'Photos', 'For example'], rows, 'No photo failed.');
    }

    chartSections() {
      const { degradations, plans, comparison, change, runsPhotos, throughput, runTimes } = page.summaryCharts;
      const charts = (list) => element('div', { class: 'charts' }, list.map(page.charts.figure));
      const runs = runTimes().length ? section('Over the runs', 'over-runs', charts([runsPhotos(), throughput()])) : null;
      return [
        section('How well', 'well', charts([comparison('noise_sigma'), comparison('blur_sigma'), change()])),
        section('What was done', 'done', charts([degradations(), plans()])),
        runs,
      ];
    }

    folders() {
      const rows = page.summary.folders.map((each) => [
        folderCell(each), each.photos, each.restored, each.failed, each.needs_review, mean(each.mean_noise_sigma),
      ]);
      return long('Folders', ['Folder', 'Photos', 'Restored', 'Failed', 'Review', 'Mean noise'], rows, 'No folders.');
    }

    cameras() {
      const rows = page.summary.cameras.map((each) => [
        element('a', { href: page.summaryCharts.photosWith({ camera: each.camera ?? page.query.NONE }) }, each.camera ? page.dom.name(each.camera) : 'not known'),
        each.photos, each.needs_review, mean(each.mean_noise_sigma),
      ]);
      return long('Cameras and scanners', ['Camera', 'Photos', 'Review', 'Mean noise'], rows, 'None known.');
    }

    models() {
      const rows = page.summary.models.map(({ name, sha256, photos }) => [
        page.dom.name(name), photos, element('code', { class: 'hash', title: sha256 }, sha256.slice(0, 12)),
      ]);
      return long('Models', ['Model', 'Photos', 'SHA-256'], rows, 'No model ran.');
    }

    runs() {
      const rows = [...page.summary.runs].reverse().map((run) => [
        element('a', { href: page.summaryCharts.photosWith({ run_id: run.run_id }), title: run.run_id }, page.format.time(run.started ?? run.run_id)),
        run.kind, run.photos, run.failed, page.format.duration(run.seconds), run.software_version ?? '–',
      ]);
      return long('Runs', ['Began', 'Kind', 'Photos', 'Failed', 'Time', 'Version'], rows, 'No run is recorded.');
    }

    leave() {
      page.charts.forget();
    }

    keys = {};
  }

  const are = (n) => (n === 1 ? 'is' : 'are');
  const were = (n) => (n === 1 ? 'was' : 'were');

  // a, b and c
  function listed(parts) {
    return parts.map((part, at) => [at === 0 ? '' : at === parts.length - 1 ? ' and ' : ', ', part]);
  }

  const mean = (value) => (value === null || value === undefined ? '–' : element('span', { class: 'figure' }, page.format.measure(value, 1)));

  function folderCell({ folder, folders }) {
    if (folder === null) return `${count(folders ?? 0, 'other folder')}`;
    const query = new page.query.Query().with({ folder });
    // The top folder has an empty name, which is a filter all the same.
    if (folder === '') query.parameters.set('folder', '');
    return element('a', { href: query.address }, folder ? page.dom.name(folder) : 'top folder');
  }

  function section(title, id, ...content) {
    return element('section', { class: 'part', 'aria-labelledby': id }, element('h2', { id }, title), content);
  }

  // A table of which the first rows are shown, until all are asked for.
  function long(caption, headings, rows, nothing) {
    const box = element('div', { class: 'long' });
    if (!rows.length) return page.dom.replace(box, element('h3', {}, caption), element('p', { class: 'muted' }, nothing));
    const show = (all) => {
      const shown = all ? rows : rows.slice(0, SHOWN_ROWS);
      const more = page.dom.button(`Show all ${number(rows.length)}`, () => { show(true); box.querySelector('a')?.focus(); }, { class: 'quiet' });
      page.dom.replace(box, page.dom.table(caption, headings, shown), all || rows.length <= SHOWN_ROWS ? null : more);
    };
    show(false);
    return box;
  }

  page.SummaryView = SummaryView;
})(window.restoreArchive.page);
