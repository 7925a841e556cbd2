'use strict';
// Starts the page, and shows what the address asks for: #summary, #review, #photos, #photo/ROW,
// #decisions, each with parameters after a question mark.

(function (page) {
  const VIEWS = {
    summary: page.SummaryView,
    review: page.ReviewView,
    photos: page.PhotosView,
    photo: page.PhotoView,
    decisions: page.DecisionsView,
  };
  const THEME_LABELS = { auto: 'Theme: automatic', light: 'Theme: light', dark: 'Theme: dark' };
  const main = document.getElementById('main');
  let route = null; // {name, rest, parameters} that is shown

  function routeOf(hash) {
    const [path, query] = split(hash.replace(/^#/, ''), '?');
    const [name, rest] = split(path, '/');
    const known = Object.hasOwn(VIEWS, name) ? name : 'summary';
    return { name: known, rest, parameters: new URLSearchParams(query) };
  }

  function split(text, mark) {
    const at = text.indexOf(mark);
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  }

  async function follow() {
    const wanted = routeOf(window.location.hash);
    document.querySelector('dialog[open]')?.close();
    const isFirst = route === null;
    const isOther = isFirst || route.name !== wanted.name || route.rest !== wanted.rest;
    const isOtherPage = !isOther && route.parameters.get('page') !== wanted.parameters.get('page');
    if (isFirst || route.name !== wanted.name) enter(wanted.name);
    route = wanted;
    main.setAttribute('aria-busy', 'true');
    try {
      if (await page.view.update(wanted)) arrived(isFirst, isOther, isOtherPage);
    } catch (error) {
      if (route === wanted) showError(error);
    } finally {
      if (route === wanted || route === null) main.removeAttribute('aria-busy');
    }
  }

  function enter(name) {
    page.view?.leave();
    main.replaceChildren();
    page.view = new VIEWS[name](main);
    main.className = `view-${name}`;
  }

  // The focus goes to what is new: a person who cannot see it hears its heading.
  function arrived(isFirst, isOther, isOtherPage) {
    document.title = `${page.view.title()} – ${page.summary.title}`.slice(0, 200);
    markSection();
    if (isOther || isOtherPage) window.scrollTo(0, 0);
    if ((isOther || isOtherPage) && !isFirst)
      main.querySelector('h1')?.focus({ preventScroll: true });
    page.afterRoute?.();
    page.afterRoute = null;
  }

  function markSection() {
    const current = route.name === 'photo' ? page.list.back : `#${route.name}`;
    for (const link of document.querySelectorAll('.sections a')) {
      const isCurrent = current.startsWith(link.getAttribute('href'));
      if (isCurrent) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  function showError(error) {
    const again = page.dom.button('Load the page again', () => window.location.reload());
    page.dom.replace(
      main,
      page.dom.element('h1', { tabindex: -1 }, 'This cannot be shown'),
      page.dom.element('p', { role: 'alert' }, error.message),
      again,
    );
    main.querySelector('h1').focus();
    route = null;
  }

  function showCounts() {
    const badge = (id, count) => {
      document.getElementById(id).textContent = count ? page.format.number(count) : '';
    };
    badge('review-count', page.summary.totals.needs_review);
    badge('decisions-count', page.decisions.size);
  }

  // Lists show decisions, which changed in another tab. Other sections see to it themselves.
  function showAgain() {
    if (route && ['review', 'photos'].includes(route.name))
      page.view.update(route).catch(showError);
  }

  function startTheme() {
    const toggle = document.getElementById('theme');
    const show = () => {
      toggle.textContent = THEME_LABELS[document.documentElement.dataset.theme];
    };
    toggle.addEventListener('click', () => {
      page.theme.next();
      show();
    });
    show();
  }

  // An address of its own would be taken for a section.
  function startSkipLink() {
    document.querySelector('.skip').addEventListener('click', (event) => {
      event.preventDefault();
      main.focus();
    });
  }

  function startFrame() {
    const { summary } = page;
    page.dom.replace(document.getElementById('archive-name'), page.dom.name(summary.title));
    page.dom.replace(
      document.getElementById('foot'),
      page.dom.element(
        'p',
        {},
        'Report of ',
        page.dom.name(summary.archive),
        ', made ',
        page.format.time(summary.generated),
        ` by ${summary.software}. `,
        summary.source ? ['Originals: ', page.dom.name(summary.source), '.'] : null,
      ),
    );
    page.decisions.addEventListener('change', showCounts);
    page.decisions.addEventListener('elsewhere', showAgain);
    showCounts();
    window.addEventListener('beforeunload', (event) => {
      if (!page.decisions.isKept && page.decisions.size) event.preventDefault();
    });
  }

  function start() {
    const { summary } = page;
    if (!summary || !page.columns) {
      page.dom.replace(
        main,
        page.dom.element('h1', {}, 'This report is not whole'),
        page.dom.element(
          'p',
          {},
          'Its folder “data” is missing or damaged. Copy the report’s folder as a whole, or make the report again.',
        ),
      );
      return;
    }
    page.table = new page.PhotoTable(summary.rows, summary.chunk_rows);
    page.decisions = new page.Decisions(summary.archive_id);
    page.list = { rows: null, back: '#photos', label: 'Photos' };
    if (summary.serve) {
      page.server = new page.Server(summary.serve.token, page.decisions);
      page.server.start();
    }
    startTheme();
    startFrame();
    startSkipLink();
    page.keyboard.start();
    window.addEventListener('hashchange', follow);
    follow();
  }

  start();
})(window.restoreArchive.page);
