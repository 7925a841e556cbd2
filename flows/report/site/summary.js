'use strict';
// The first page: what was done, how well, and what needs eyes.

(function (page) {
  const { element } = page.dom;
  const { number, count } = page.format;
  const tables = page.summaryTables;

  class SummaryView {
    constructor(main) {
      const { summary } = page;
      this.main = main;
      page.dom.replace(
        main,
        this.head(),
        this.totals(),
        section(
          'What needs eyes',
          'eyes',
          element('div', { class: 'pair' }, tables.reasons(), tables.failures()),
        ),
        this.chartSections(),
        section(
          'Where',
          'where',
          element('div', { class: 'pair' }, tables.folders(), tables.cameras()),
        ),
        section(
          'Models and runs',
          'models',
          element('div', { class: 'pair' }, tables.models(), tables.runs()),
        ),
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
        ? [
            element(
              'a',
              { href: '#review', class: 'strong' },
              `${number(totals.needs_review)}\u00a0${totals.needs_review === 1 ? 'needs' : 'need'} your eyes`,
            ),
            '.',
          ]
        : 'None needs review.';
      return element(
        'p',
        { class: 'headline' },
        `Of ${count(totals.photos, 'photo')}, `,
        listed(parts),
        '. ',
        review,
      );
    }

    lastRun() {
      const run = page.summaryCharts.runTimes().at(-1);
      if (!run) return null;
      const rate = run.megapixels_per_second
        ? `, ${number(run.megapixels_per_second, 1)} megapixels a second`
        : '';
      return element(
        'p',
        { class: 'lead' },
        'The last run began on ',
        page.format.time(run.started),
        ` and worked on ${count(run.photos, 'photo')} in ${page.format.duration(run.seconds)}`,
        run.device ? ` on ${run.device}` : '',
        rate,
        '; ',
        run.failed ? element('strong', {}, `${number(run.failed)} failed`) : 'none failed',
        '.',
      );
    }

    totals() {
      const { totals } = page.summary;
      const all = page.summaryCharts.photosWith({});
      const entry = (label, value, address) => [
        element('dt', {}, label),
        element('dd', {}, address ? element('a', { href: address }, value) : value),
      ];
      const status = (name) => [
        page.format.STATUSES[name].label,
        number(totals[name]),
        page.summaryCharts.photosWith({ status: name }),
      ];
      const decided = (name) => [
        page.format.DECISIONS[name].label,
        number(totals[name]),
        page.summaryCharts.photosWith({ decision: name }),
      ];
      const entries = [
        ['Photos', number(totals.photos), all],
        ...['restored', 'nothing_to_do'].map(status),
        ...['skipped', 'failed', 'withdrawn'].filter((name) => totals[name]).map(status),
        [
          'Colorized',
          number(totals.colorized),
          page.summaryCharts.photosWith({ step: 'colorize' }),
        ],
        ['Need review', number(totals.needs_review), '#review'],
        ...['accepted', 'rejected', 'redo'].filter((name) => totals[name]).map(decided),
        ['Pixels', page.format.megapixels(totals.megapixels), null],
        ['Originals', page.format.bytes(totals.bytes), null],
      ];
      return element(
        'dl',
        { class: 'totals', 'aria-label': 'Totals' },
        entries.map(([label, value, address]) => element('div', {}, entry(label, value, address))),
      );
    }

    chartSections() {
      const { degradations, plans, comparison, change, runsPhotos, throughput, runTimes } =
        page.summaryCharts;
      const charts = (list) => element('div', { class: 'charts' }, list.map(page.charts.figure));
      const runs = runTimes().length
        ? section('Over the runs', 'over-runs', charts([runsPhotos(), throughput()]))
        : null;
      return [
        section(
          'How well',
          'well',
          charts([comparison('noise_sigma'), comparison('blur_sigma'), change()]),
        ),
        section('What was found and done', 'done', charts([degradations(), plans()])),
        runs,
      ];
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
    return parts.map((part, at) => [
      at === 0 ? '' : at === parts.length - 1 ? ' and ' : ', ',
      part,
    ]);
  }

  function section(title, id, ...content) {
    return element(
      'section',
      { class: 'part', 'aria-labelledby': id },
      element('h2', { id }, title),
      content,
    );
  }

  page.SummaryView = SummaryView;
})(window.restoreArchive.page);
