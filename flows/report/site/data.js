'use strict';
// The report's data. A page from file:// may not fetch, so each data file is a script that calls a
// function of `restoreArchive` with JSON; it is put into the page when it is needed, and removed.

(function (restoreArchive, page) {
  const TRIES_OF_DETAILS = 12; // chunks of details that are kept: those of a reviewer's last photos

  const delivered = new Map(); // name of the file → what it called with
  const loading = new Map(); // name of the file → promise

  const named = (kind, number) => `${kind}-${String(number).padStart(5, '0')}`;

  restoreArchive.summary = (data) => {
    page.summary = data;
  };
  restoreArchive.columns = (list) => {
    page.columns = new Map(list.map((column) => [column.name, column]));
  };
  restoreArchive.review = (data) => delivered.set('review', data);
  for (const kind of ['rows', 'details', 'pictures']) {
    restoreArchive[kind] = (number, data) => delivered.set(named(kind, number), data);
  }

  // What a data file holds. Rejects with an error that a person can act on.
  function load(name) {
    if (!loading.has(name)) {
      const promise = inserted(name);
      loading.set(name, promise);
      promise.catch(() => loading.delete(name)); // the next one who asks tries again
    }
    return loading.get(name);
  }

  function inserted(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `data/${name}.js`;
      script.onload = () => {
        script.remove();
        const data = delivered.get(name);
        delivered.delete(name);
        const problem = problemOf(name, data);
        if (problem) reject(new Error(problem));
        else resolve(data);
      };
      script.onerror = () => {
        script.remove();
        reject(
          new Error(
            `The file data/${name}.js cannot be read. Copy the report's folder as a whole.`,
          ),
        );
      };
      document.head.append(script);
    });
  }

  function problemOf(name, data) {
    if (!data) return `The file data/${name}.js is damaged. Make the report again.`;
    if (data.report !== page.summary.report) {
      return 'The report was renewed since this page was opened. Load the page again.';
    }
    return null;
  }

  // A file's data, without keeping a second copy of it here.
  async function once(name) {
    try {
      return await load(name);
    } finally {
      loading.delete(name);
    }
  }

  // All columns of a row that the table has not.
  async function details(row) {
    const name = named('details', Math.floor(row / page.summary.detail_rows));
    const data = await load(name);
    forgetOld('details');
    return Object.fromEntries(
      Object.entries(data.columns).map(([column, values]) => [column, values[row - data.first]]),
    );
  }

  // The pictures of a row: {before, after, colorized}, of which any may be missing.
  async function pictures(row) {
    const data = await load(named('pictures', Math.floor(row / page.summary.chunk_rows)));
    forgetOld('pictures');
    return data.pictures[row] ?? {};
  }

  function forgetOld(kind) {
    const names = [...loading.keys()].filter((name) => name.startsWith(kind));
    for (const name of names.slice(0, -TRIES_OF_DETAILS)) loading.delete(name);
  }

  page.data = {
    rows: (chunk) => once(named('rows', chunk)),
    review: () => load('review'),
    details,
    pictures,
  };
})(window.restoreArchive, window.restoreArchive.page);
