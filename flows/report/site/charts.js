'use strict';
// Charts, drawn by Plotly. It is large, so it is read once the page can be seen. What a chart shows
// is also in a table below it.

(function (page) {
  const { element } = page.dom;
  // Plotly 4 puts MapLibre's styles into the page as it loads, which the page's policy forbids and
  // no chart here needs. An element with this id makes it leave that out.
  const MAP_STYLES = '9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53';
  const SETTINGS = {
    displaylogo: false,
    displayModeBar: false,
    responsive: true,
    scrollZoom: false,
    doubleClick: false,
  };
  const PRINTED = { width: 690, gap: 20, height: 165 }; // of a row of charts on A4, CSS pixels

  let plotly = null; // promise
  let drawn = []; // {node, chart} of the page that is shown

  function library() {
    plotly ??= new Promise((resolve, reject) => {
      document.head.append(element('meta', { id: MAP_STYLES }));
      const script = document.createElement('script');
      script.src = 'assets/plotly.min.js';
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error('assets/plotly.min.js cannot be read'));
      document.head.append(script);
    });
    return plotly;
  }

  // Colours as the style sheet has them for this theme.
  function colours() {
    const style = getComputedStyle(document.documentElement);
    const names = [
      'text',
      'muted',
      'line',
      'surface',
      'before',
      'after',
      'accent',
      'failed',
      'withdrawn',
      'quiet',
    ];
    const found = Object.fromEntries(
      names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
    return { ...found, font: style.getPropertyValue('--sans').trim() };
  }

  function layoutOf(chart, colour, size) {
    const axis = {
      gridcolor: colour.line,
      linecolor: colour.line,
      zeroline: false,
      fixedrange: true,
      automargin: true,
      tickfont: { color: colour.muted },
      title: { font: { color: colour.muted, size: 12 }, standoff: 8 },
    };
    const { xaxis, yaxis, ...others } = chart.layout(colour);
    return {
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      autosize: true,
      height: 240,
      margin: { l: 8, r: 8, t: 8, b: 8 },
      bargap: 0.12,
      dragmode: false,
      showlegend: false,
      font: { family: colour.font, size: 12, color: colour.text },
      hoverlabel: {
        bgcolor: colour.surface,
        bordercolor: colour.line,
        font: { color: colour.text },
      },
      legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', font: { color: colour.text } },
      ...others,
      ...size,
      xaxis: merged(axis, xaxis),
      yaxis: merged(axis, yaxis),
    };
  }

  function merged(axis, own = {}) {
    const title = own.title ? { ...axis.title, text: own.title } : undefined;
    return { ...axis, ...own, title };
  }

  async function draw(node, chart, size = {}) {
    const Plotly = await library();
    if (!node.isConnected) return;
    const colour = colours();
    await Plotly.react(node, chart.traces(colour), layoutOf(chart, colour, size), SETTINGS);
    if (chart.link && !node.dataset.links) {
      node.dataset.links = 'yes';
      node.on('plotly_click', ({ points }) => {
        const address = chart.link(points[0].pointNumber);
        if (address) window.location.hash = address;
      });
    }
  }

  // A chart with its title, a sentence, and its numbers as a table.
  // chart: {title, sentence, traces(colours), layout(colours), link(at), headings, rows}
  function figure(chart) {
    const node = element('div', {
      class: `chart${chart.link ? ' links' : ''}`,
      role: 'img',
      'aria-label': `${chart.title}. ${chart.sentence ?? ''} The numbers are in the table below.`,
    });
    drawn.push({ node, chart });
    const numbers = element(
      'details',
      { class: 'numbers' },
      element(
        'summary',
        {},
        'Numbers',
        element('span', { class: 'visually-hidden' }, `: ${chart.title}`),
      ),
      page.dom.table(chart.title, chart.headings, chart.rows),
    );
    return element(
      'figure',
      { class: `chart-figure ${chart.className ?? ''}` },
      element(
        'figcaption',
        {},
        element('h3', {}, chart.title),
        chart.sentence ? element('p', {}, chart.sentence) : null,
      ),
      node,
      numbers,
    );
  }

  // As large as there is room for, or as `sizeOf` has it.
  function drawAll(sizeOf = () => ({})) {
    return Promise.all(drawn.map(({ node, chart }) => draw(node, chart, sizeOf(node)))).catch(
      (error) => {
        // The numbers are there without it.
        page.dom.announce(`No charts: ${error.message}`);
      },
    );
  }

  function forget() {
    for (const { node } of drawn) if (node.data && window.Plotly) window.Plotly.purge(node);
    drawn = [];
  }

  function printedSize(node) {
    const charts = node.closest('.charts').childElementCount;
    return { autosize: false, width: PRINTED.width / charts - PRINTED.gap, height: PRINTED.height };
  }

  // After the browser has painted what is there.
  function drawSoon() {
    requestAnimationFrame(() => setTimeout(() => drawAll()));
  }

  const isPrinting = () => Boolean(document.documentElement.dataset.printing);

  // Paper is white and narrow. (start.js has set the scheme by then.)
  window.addEventListener('schemechange', () => {
    if (window.Plotly && !isPrinting()) drawAll();
  });
  window.addEventListener('beforeprint', () => {
    if (window.Plotly) drawAll(printedSize);
  });
  window.addEventListener('afterprint', () => {
    if (window.Plotly) drawAll();
  });

  page.charts = { figure, drawSoon, forget };
})(window.restoreArchive.page);
