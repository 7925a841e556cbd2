'use strict';
// Bins of histograms: `edges`, one more than there are bins, and how many photos are in each.

(function (page) {
  const { number } = page.format;

  // From the first edge to that of the last bin that holds something.
  function usedRange(edges, ...counts) {
    const last = Math.max(...counts.map((each) => each.findLastIndex((count) => count > 0)));
    return [edges[0], edges[Math.max(last, 4) + 1]];
  }

  // What lies outside of the edges is in the first and in the last bin.
  function binText(edges, at) {
    if (at === edges.length - 2) return `${number(edges[at])} and more`;
    if (at === 0 && edges[0] > 0) return `up to ${number(edges[1])}`;
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

  page.bins = { usedRange, binText, binRange, median };
})(window.restoreArchive.page);
