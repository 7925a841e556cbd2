'use strict';
// The tables of the summary. A row's heading leads to its photos.

(function (page) {
  const { element } = page.dom;
  const { number, count } = page.format;
  const SHOWN_ROWS = 8; // of a table before "Show all"

  function reasons() {
    const rows = page.summary.reasons.map(({ reason, photos }) => [
      element('a', { href: `#review?${new URLSearchParams({ reason })}` }, page.dom.name(reason)),
      photos,
    ]);
    return long('Reasons to look', ['Reason', 'Photos'], rows, 'Nothing needs review.');
  }

  function failures() {
    const rows = page.summary.failures.map((failure) => [
      element(
        'a',
        { href: page.summaryCharts.photosWith({ error_class: failure.error_class }) },
        page.dom.name(failure.error_class),
      ),
      failure.photos,
      [
        page.dom.name(failure.example_message ?? ''),
        element('div', { class: 'muted' }, page.dom.path(failure.example_source)),
      ],
    ]);
    return long('Failures', ['Kind', 'Photos', 'For example'], rows, 'No photo failed.');
  }

  function folders() {
    const rows = page.summary.folders.map((each) => [
      folderCell(each),
      each.photos,
      each.restored,
      each.failed,
      each.needs_review,
      mean(each.mean_noise_sigma),
    ]);
    return long(
      'Folders',
      ['Folder', 'Photos', 'Restored', 'Failed', 'Review', 'Mean noise'],
      rows,
      'No folders.',
    );
  }

  function cameras() {
    const rows = page.summary.cameras.map((each) => [
      element(
        'a',
        { href: page.summaryCharts.photosWith({ camera: each.camera ?? page.query.NONE }) },
        each.camera ? page.dom.name(each.camera) : 'not known',
      ),
      each.photos,
      each.needs_review,
      mean(each.mean_noise_sigma),
    ]);
    return long(
      'Cameras and scanners',
      ['Camera', 'Photos', 'Review', 'Mean noise'],
      rows,
      'None known.',
    );
  }

  function models() {
    const rows = page.summary.models.map(({ name, sha256, photos }) => [
      page.dom.name(name),
      photos,
      element('code', { class: 'hash', title: sha256 }, sha256.slice(0, 12)),
    ]);
    return long('Models', ['Model', 'Photos', 'SHA-256'], rows, 'No model ran.');
  }

  function runs() {
    const rows = [...page.summary.runs]
      .reverse()
      .map((run) => [
        element(
          'a',
          { href: page.summaryCharts.photosWith({ run_id: run.run_id }), title: run.run_id },
          page.format.time(run.started ?? run.run_id),
        ),
        run.kind,
        run.photos,
        run.failed,
        page.format.duration(run.seconds),
        run.software_version ?? '–',
      ]);
    return long(
      'Runs',
      ['Began', 'Kind', 'Photos', 'Failed', 'Time', 'Version'],
      rows,
      'No run is recorded.',
    );
  }

  const mean = (value) =>
    value === null || value === undefined
      ? '–'
      : element('span', { class: 'figure' }, page.format.measure(value, 1));

  function folderCell({ folder, folders }) {
    if (folder === null) return `${count(folders ?? 0, 'other folder')}`;
    const query = new page.query.Query().with({ folder });
    // The top folder has an empty name, which is a filter all the same.
    if (folder === '') query.parameters.set('folder', '');
    return element('a', { href: query.address }, folder ? page.dom.name(folder) : 'top folder');
  }

  // A table of which the first rows are shown, until all are asked for.
  function long(caption, headings, rows, nothing) {
    const box = element('div', { class: 'long' });
    if (!rows.length)
      return page.dom.replace(
        box,
        element('h3', {}, caption),
        element('p', { class: 'muted' }, nothing),
      );
    const show = (all) => {
      const shown = all ? rows : rows.slice(0, SHOWN_ROWS);
      const more = page.dom.button(
        `Show all ${number(rows.length)}`,
        () => {
          show(true);
          box.querySelector('a')?.focus();
        },
        { class: 'quiet' },
      );
      page.dom.replace(
        box,
        page.dom.table(caption, headings, shown),
        all || rows.length <= SHOWN_ROWS ? null : more,
      );
    };
    show(false);
    return box;
  }

  page.summaryTables = { reasons, failures, folders, cameras, models, runs };
})(window.restoreArchive.page);
