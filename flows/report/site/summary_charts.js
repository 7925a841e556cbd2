'use strict';
// The charts of the summary: what they show, what they link to, and their numbers.

(function (page) {
  const { element } = page.dom;
  const { measure, number } = page.format;
  const { binRange, binText, median, usedRange } = page.bins;
  const { Query, NONE } = page.query;
  const SHOWN_PLANS = 8;
  const MEASURES = {
    noise_sigma: { title: 'Noise', unit: 'sigma, 8-bit levels' },
    blur_sigma: { title: 'Blur', unit: 'sigma, pixels' },
    change_psnr_db: { title: 'Amount of change', unit: 'PSNR to the original, dB' },
  };

  const photosWith = (changes) => new Query().with(changes).address;
  const linked = (address, text) => element('a', { href: address }, text);

  function degradations() {
    const found = page.summary.degradations;
    const labels = found.map(({ name }) => page.format.DEGRADATIONS[name] ?? name);
    return {
      title: 'What was found',
      sentence: 'A photo can have several; measured and certain enough to act on.',
      ...bars('Found', found, labels, 'before'),
      ...linkedRows(found, labels, ({ name }) => photosWith({ degradation: name })),
    };
  }

  function plans() {
    const found = page.summary.plans.slice(0, SHOWN_PLANS);
    const labels = found.map(({ plan }) => page.format.steps(plan).join(' + ') || 'nothing');
    return {
      title: 'Steps that were taken',
      sentence: 'In this order.',
      ...bars('Steps', found, labels, 'after'),
      ...linkedRows(found, labels, ({ plan }) => photosWith({ plan: plan || NONE })),
    };
  }

  // A horizontal bar for each of some counts of photos.
  function bars(heading, found, labels, colourName) {
    const values = found.map(({ photos }) => photos);
    const places = found.map((_, at) => at);
    const trace = {
      type: 'bar',
      orientation: 'h',
      x: values,
      y: places,
      text: values.map((value) => number(value)),
      textposition: 'outside',
      cliponaxis: false,
      customdata: labels.map(plainText),
      hovertemplate: '%{customdata}: %{x:,}<extra></extra>',
    };
    return {
      headings: [heading, 'Photos', 'Share'],
      traces: (colour) => [{ ...trace, marker: { color: colour[colourName] } }],
      layout: () => ({
        xaxis: {
          showgrid: false,
          showticklabels: false,
          range: [0, 1.15 * Math.max(1, ...values)],
        },
        yaxis: {
          autorange: 'reversed',
          showgrid: false,
          tickvals: places,
          ticktext: labels.map(plainText),
        },
        height: 40 + 36 * found.length,
      }),
    };
  }

  function linkedRows(found, labels, addressOf) {
    return {
      link: (at) => addressOf(found[at]),
      rows: found.map((each, at) => [
        linked(addressOf(each), labels[at]),
        each.photos,
        page.format.share(each.photos, page.summary.totals.photos),
      ]),
    };
  }

  // Plotly takes tags in its texts for formatting, and there is little room.
  function plainText(text) {
    const short = text.length > 40 ? `${text.slice(0, 40)}…` : text;
    return short.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  }

  // Before and after: filled bars, and bars that are only outlined.
  function comparison(name) {
    const { edges, before, after } = page.summary.histograms[name];
    const { title, unit } = MEASURES[name];
    const link = (at) => photosWith({ [name]: binRange(edges, at) });
    const [was, is] = [median(edges, before), median(edges, after)];
    return {
      title: `${title} before and after`,
      sentence:
        was === null
          ? 'Nothing was measured.'
          : `Half of the photos had more than ${measure(was)}; now it is ${measure(is ?? 0)}.`,
      traces: (colour) => [
        histogram('Before', edges, before, { color: colour.before, opacity: 0.75 }),
        histogram('After', edges, after, {
          color: 'rgba(0,0,0,0)',
          line: { color: colour.after, width: 2 },
        }),
      ],
      layout: () => ({
        barmode: 'overlay',
        bargap: 0,
        showlegend: true,
        xaxis: {
          title: `${title} (${unit})`,
          showgrid: false,
          range: usedRange(edges, before, after),
        },
        yaxis: photosAxis(before, after),
      }),
      link,
      headings: [`${title} (${unit})`, 'Before', 'After'],
      rows: before.map((count, at) => [linked(link(at), binText(edges, at)), count, after[at]]),
    };
  }

  function change() {
    const { edges, photos } = page.summary.histograms.change_psnr_db;
    const { title, unit } = MEASURES.change_psnr_db;
    const link = (at) => photosWith({ change_psnr_db: binRange(edges, at) });
    const middle = median(edges, photos);
    return {
      title,
      sentence:
        middle === null
          ? 'Nothing was changed.'
          : `Half of the changed photos are within ${number(middle, 0)} dB of their original or closer; less is more change.`,
      traces: (colour) => [
        histogram('Photos', edges, photos, { color: colour.after, opacity: 0.85 }),
      ],
      layout: () => ({
        bargap: 0,
        xaxis: { title: unit, showgrid: false, range: usedRange(edges, photos) },
        yaxis: photosAxis(photos),
      }),
      link,
      headings: [unit, 'Photos'],
      rows: photos.map((count, at) => [linked(link(at), binText(edges, at)), count]),
    };
  }

  function histogram(name, edges, counts, marker) {
    return {
      type: 'bar',
      name,
      marker,
      x: counts.map((_, at) => (edges[at] + edges[at + 1]) / 2),
      y: counts,
      width: counts.map((_, at) => edges[at + 1] - edges[at]),
      customdata: counts.map((_, at) => binText(edges, at)),
      hovertemplate: `${name}, %{customdata}: %{y:,}<extra></extra>`,
    };
  }

  function runTimes() {
    return page.summary.runs.filter(({ kind }) => kind === 'restore');
  }

  function runsPhotos() {
    const runs = runTimes();
    const others = runs.map(({ photos, restored, failed }) =>
      Math.max(0, photos - restored - failed),
    );
    const link = (at) => photosWith({ run_id: runs[at].run_id });
    return {
      title: 'Photos by run',
      sentence: 'What each run worked on; a photo counts in every run that met it.',
      traces: (colour) => [
        runBars(
          'Restored',
          runs,
          runs.map(({ restored }) => restored),
          { color: colour.after },
        ),
        runBars('Others', runs, others, { color: colour.quiet }),
        runBars(
          'Failed',
          runs,
          runs.map(({ failed }) => failed),
          { color: colour.failed, pattern: { shape: '/' } },
        ),
      ],
      layout: () => ({
        barmode: 'stack',
        showlegend: true,
        xaxis: runAxis(runs),
        yaxis: photosAxis(runs.map((run) => run.photos)),
      }),
      link,
      headings: ['Run', 'Photos', 'Restored', 'Failed'],
      rows: runs
        .map((run, at) => [linked(link(at), runLabel(run)), run.photos, run.restored, run.failed])
        .reverse(),
    };
  }

  function throughput() {
    const runs = runTimes();
    return {
      title: 'Throughput by run',
      sentence: 'Megapixels restored in a second of a run.',
      traces: (colour) => [
        {
          type: 'scatter',
          mode: 'lines+markers',
          x: runs.map((_, at) => at),
          y: runs.map((run) => run.megapixels_per_second),
          line: { color: colour.accent, width: 2 },
          marker: { size: 6 },
          customdata: runs.map((run) => plainText(runLabel(run))),
          hovertemplate: '%{customdata}: %{y:.2f} Mpx/s<extra></extra>',
        },
      ],
      layout: () => ({ xaxis: runAxis(runs), yaxis: { title: 'Mpx/s', rangemode: 'tozero' } }),
      link: null,
      headings: ['Run', 'Mpx/s', 'Megapixels', 'Time', 'Device'],
      rows: runs
        .map((run) => [
          runLabel(run),
          run.megapixels_per_second,
          run.megapixels,
          page.format.duration(run.seconds),
          run.device ?? '–',
        ])
        .reverse(),
    };
  }

  function runBars(name, runs, counts, marker) {
    return {
      type: 'bar',
      name,
      marker,
      x: runs.map((_, at) => at),
      y: counts,
      customdata: runs.map((run) => plainText(runLabel(run))),
      hovertemplate: `%{customdata}, ${name.toLowerCase()}: %{y:,}<extra></extra>`,
    };
  }

  function runLabel({ started, run_id: id }) {
    const moment = new Date(started ?? NaN);
    if (Number.isNaN(moment.getTime())) return id;
    return new Intl.DateTimeFormat('en-GB', {
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
    }).format(moment);
  }

  // There are no half photos.
  function photosAxis(...counts) {
    const most = Math.max(1, ...counts.flat());
    return { title: 'Photos', rangemode: 'tozero', ...(most < 5 ? { dtick: 1 } : {}) };
  }

  // Runs at even distances, a few of them with their day.
  function runAxis(runs) {
    const every = Math.max(1, Math.ceil(runs.length / 6));
    const shown = runs.map((_, at) => at).filter((at) => at % every === 0);
    const day = (run) => plainText(runLabel(run).replace(/,.*/, ''));
    return {
      tickvals: shown,
      ticktext: shown.map((at) => day(runs[at])),
      showgrid: false,
      range: [-0.5, Math.max(runs.length, 6) - 0.5], // a single run is no wall
    };
  }

  page.summaryCharts = {
    degradations,
    plans,
    comparison,
    change,
    runsPhotos,
    throughput,
    photosWith,
    runTimes,
  };
})(window.restoreArchive.page);
