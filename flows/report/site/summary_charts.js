'use strict';
// The charts of the summary: what they show, what they link to, and their numbers.

(function (page) {
  const { element } = page.dom;
  const { measure, number } = page.format;
  const { Query, NONE } = page.query;
  const MEASURES = {
    noise_sigma: { title: 'Noise', unit: 'sigma, 8-bit levels' },
    blur_sigma: { title: 'Blur', unit: 'sigma, pixels' },
    change_psnr_db: { title: 'Amount of change', unit: 'PSNR to the original, dB; less is more change' },
  };

  const photosWith = (changes) => new Query().with(changes).address;
  const linked = (address, text) => element('a', { href: address }, text);

  function degradations() {
    const found = page.summary.degradations;
    const labels = found.map(({ name }) => page.format.DEGRADATIONS[name] ?? name);
    const link = (at) => photosWith({ degradation: found[at].name });
    return {
      title: 'What was found',
      sentence: 'A photo can have several; measured and certain enough to act on.',
      traces: (colour) => [bars(found.map(({ photos }) => photos), labels, colour.before)],
      layout: () => ({ xaxis: { showgrid: false, showticklabels: false }, yaxis: { autorange: 'reversed' }, height: 52 + 36 * found.length }),
      link,
      headings: ['Found', 'Photos', 'Share'],
      rows: found.map(({ photos }, at) => [linked(link(at), labels[at]), photos, page.format.share(photos, page.summary.totals.photos)]),
    };
  }

  function plans() {
    const found = page.summary.plans.slice(0, 8);
    const labels = found.map(({ plan }) => page.format.steps(plan).join(' + ') || 'nothing');
    const link = (at) => photosWith({ plan: found[at].plan || NONE });
    return {
      title: 'What was done',
      sentence: 'Steps taken, in order.',
      traces: (colour) => [bars(found.map(({ photos }) => photos), labels, colour.after)],
      layout: () => ({ xaxis: { showgrid: false, showticklabels: false }, yaxis: { autorange: 'reversed' }, height: 52 + 36 * found.length }),
      link,
      headings: ['Steps', 'Photos', 'Share'],
      rows: found.map(({ photos }, at) => [linked(link(at), labels[at]), photos, page.format.share(photos, page.summary.totals.photos)]),
    };
  }

  function bars(values, labels, colour) {
    return {
      type: 'bar', orientation: 'h', x: values, y: labels, marker: { color: colour },
      text: values.map((value) => number(value)), textposition: 'auto', cliponaxis: false,
      hovertemplate: '%{y}: %{x:,}<extra></extra>',
    };
  }

  // Before and after: filled bars, and bars that are only outlined.
  function comparison(name) {
    const { edges, before, after } = page.summary.histograms[name];
    const { title, unit } = MEASURES[name];
    const link = (at) => photosWith({ [name]: binRange(edges, at) });
    const [was, is] = [median(edges, before), median(edges, after)];
    return {
      title: `${title} before and after`,
      sentence: was === null ? 'Nothing was measured.' : `Half of the photos had more than ${measure(was)}; now it is ${measure(is ?? 0)}.`,
      traces: (colour) => [
        histogram('Before', edges, before, { color: colour.before, opacity: 0.75 }),
        histogram('After', edges, after, { color: 'rgba(0,0,0,0)', line: { color: colour.after, width: 2 } }),
      ],
      layout: () => ({ barmode: 'overlay', bargap: 0, showlegend: true, xaxis: { title: `${title} (${unit})`, showgrid: false, range: usedRange(edges, before, after) }, yaxis: { title: 'Photos' } }),
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
      sentence: middle === null ? 'Nothing was changed.' : `Half of the changed photos are within ${number(middle, 0)} dB of their original or closer.`,
      traces: (colour) => [histogram('Photos', edges, photos, { color: colour.after, opacity: 0.85 })],
      layout: () => ({ bargap: 0, xaxis: { title: unit, showgrid: false, range: usedRange(edges, photos) }, yaxis: { title: 'Photos' } }),
      link,
      headings: [unit, 'Photos'],
      rows: photos.map((count, at) => [linked(link(at), binText(edges, at)), count]),
    };
  }

  function histogram(name, edges, counts, marker) {
    return {
      type: 'bar', name, marker,
      x: counts.map((_, at) => (edges[at] + edges[at + 1]) / 2),
      y: counts, width: counts.map((_, at) => edges[at + 1] - edges[at]),
      customdata: counts.map((_, at) => binText(edges, at)),
      hovertemplate: `${name}, %{customdata}: %{y:,}<extra></extra>`,
    };
  }

  // From the first edge to that of the last bin that holds something.
  function usedRange(edges, ...counts) {
    const last = Math.max(...counts.map((each) => each.findLastIndex((count) => count > 0)));
    return [edges[0], edges[Math.max(last, 4) + 1]];
  }

  // What lies outside of the edges is in the first and in the last bin.
  function binText(edges, at) {
    if (at === edges.length - 2) return `${number(edges[at])} and more`;
    return `${number(edges[at])} to ${number(edges[at + 1])}`;
  }

  function binRange(edges, at) {
    const least = at === 0 ? '' : edges[at];
    // Figures have four digits; an upper edge belongs to the next bin.
    const most = at === edges.length - 2 ? '' : (edges[at + 1] - 0.0001).toFixed(4);
    return `${least}..${most}`;
  }

  // As a bin's place would have it, were all in it spread evenly.
  function median(edges, counts) {
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (!all) return null;
    let below = 0;
    const at = counts.findIndex((count) => {
      below += count;
      return below >= all / 2;
    });
    const within = (all / 2 - (below - counts[at])) / counts[at];
    return edges[at] + within * (edges[at + 1] - edges[at]);
  }

  function runTimes() {
    return page.summary.runs.filter(({ kind }) => kind === 'restore');
  }

  function runsPhotos() {
    const runs = runTimes();
    const others = runs.map(({ photos, restored, failed }) => Math.max(0, photos - restored - failed));
    const link = (at) => photosWith({ run_id: runs[at].run_id });
    return {
      title: 'Photos by run',
      sentence: 'What each run worked on; a photo counts in every run that met it.',
      traces: (colour) => [
        runBars('Restored', runs, runs.map(({ restored }) => restored), { color: colour.after }),
        runBars('Others', runs, others, { color: colour.quiet }),
        runBars('Failed', runs, runs.map(({ failed }) => failed), { color: colour.failed, pattern: { shape: '/' } }),
      ],
      layout: () => ({ barmode: 'stack', showlegend: true, xaxis: runAxis(runs), yaxis: { title: 'Photos' } }),
      link,
      headings: ['Run', 'Photos', 'Restored', 'Failed'],
      rows: runs.map((run, at) => [linked(link(at), runLabel(run)), run.photos, run.restored, run.failed]).reverse(),
    };
  }

  function throughput() {
    const runs = runTimes();
    return {
      title: 'Throughput by run',
      sentence: 'Megapixels restored in a second of a run.',
      traces: (colour) => [
        {
          type: 'scatter', mode: 'lines+markers', x: runs.map((_, at) => at), y: runs.map((run) => run.megapixels_per_second),
          line: { color: colour.accent, width: 2 }, marker: { size: 6 }, customdata: runs.map(runLabel),
          hovertemplate: '%{customdata}: %{y:.2f} Mpx/s<extra></extra>',
        },
      ],
      layout: () => ({ xaxis: runAxis(runs), yaxis: { title: 'Mpx/s', rangemode: 'tozero' } }),
      link: null,
      headings: ['Run', 'Mpx/s', 'Megapixels', 'Time', 'Device'],
      rows: runs.map((run) => [runLabel(run), run.megapixels_per_second, run.megapixels, page.format.duration(run.seconds), run.device ?? '–']).reverse(),
    };
  }

  function runBars(name, runs, counts, marker) {
    return {
      type: 'bar', name, marker, x: runs.map((_, at) => at), y: counts, customdata: runs.map(runLabel),
      hovertemplate: `%{customdata}, ${name.toLowerCase()}: %{y:,}<extra></extra>`,
    };
  }

  function runLabel({ started, run_id: id }) {
    const moment = new Date(started ?? NaN);
    if (Number.isNaN(moment.getTime())) return id;
    return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(moment);
  }

  // Runs at even distances, a few of them with their day.
  function runAxis(runs) {
    const every = Math.max(1, Math.ceil(runs.length / 6));
    const shown = runs.map((_, at) => at).filter((at) => at % every === 0);
    const day = (run) => runLabel(run).replace(/,.*/, '');
    return { tickvals: shown, ticktext: shown.map((at) => day(runs[at])), showgrid: false };
  }

  page.summaryCharts = { degradations, plans, comparison, change, runsPhotos, throughput, photosWith, runTimes };
})(window.restoreArchive.page);
