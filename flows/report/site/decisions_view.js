'use strict';
// What was decided here: looked over, exported, imported, or applied.

(function (page) {
  const { element, button, field } = page.dom;

  class DecisionsView {
    constructor(main) {
      this.main = main;
      this.decisions = page.decisions;
      this.message = element('p', { class: 'message', role: 'status' });
      this.reviewer = element('input', {
        type: 'text',
        maxlength: page.limits.LONGEST_NAME,
        autocomplete: 'name',
        on: { change: () => this.decisions.setReviewer(this.reviewer.value) },
      });
      this.file = element('input', {
        type: 'file',
        accept: '.json,application/json',
        class: 'visually-hidden',
        'aria-label': 'Decision file to import',
        on: { change: () => this.takeFile() },
      });
      this.body = element('div', {});
      page.dom.replace(
        main,
        element('h1', { tabindex: -1 }, 'Decisions'),
        element('p', { class: 'lead' }, 'Kept in this browser until they are in the archive.'),
        this.actions(),
        this.message,
        this.body,
      );
      this.listener = () => this.render();
      this.decisions.addEventListener('change', this.listener);
      this.decisions.addEventListener('saved', this.listener);
    }

    title() {
      return 'Decisions';
    }

    actions() {
      this.exportButton = button('Export', () => this.export(), { class: 'primary' });
      return element(
        'div',
        { class: 'decision-actions' },
        field('Reviewer', this.reviewer),
        page.server
          ? button('Apply to the archive', () => this.apply(), { class: 'primary' })
          : null,
        this.exportButton,
        button('Import …', () => this.file.click()),
        this.file,
        button('Remove all', () => this.removeAll(), { class: 'quiet' }),
      );
    }

    async update() {
      this.render();
      return true;
    }

    render() {
      const { decisions } = this;
      this.reviewer.value = decisions.reviewer;
      this.exportButton.disabled = decisions.size === 0;
      page.dom.replace(
        this.body,
        decisions.isKept
          ? null
          : element(
              'p',
              { class: 'warning' },
              'This browser keeps nothing for this page: export before you close it.',
            ),
        page.server ? element('p', {}, page.server.state) : this.command(),
        decisions.size
          ? this.tableElement()
          : element(
              'p',
              {},
              'Nothing decided here yet. Begin with ',
              element('a', { href: '#review' }, 'what needs review'),
              '.',
            ),
      );
    }

    command() {
      return element(
        'p',
        {},
        'Export writes a file; this command records it in the archive, withdraws what was rejected and queues what is to be redone: ',
        element('code', { class: 'command' }, `restore-archive review apply ${fileName()}`),
      );
    }

    tableElement() {
      const all = this.decisions.all().sort((a, b) => (a.time < b.time ? 1 : -1));
      const counts = Object.entries(page.format.DECISIONS)
        .map(([kind, { label }]) => [
          all.filter(({ decision }) => decision === kind).length,
          label.toLowerCase(),
        ])
        .filter(([count]) => count)
        .map(([count, label]) => `${page.format.number(count)} ${label}`);
      return page.dom.table(
        `${page.format.count(all.length, 'decision')}: ${counts.join(', ')}`,
        ['Photo', 'Decision', 'Settings', 'Note', 'Time', ''],
        all.map((decision) => this.tableRow(decision)),
        'decisions',
      );
    }

    tableRow(decision) {
      const { file } = page.format.parts(decision.source);
      return [
        button(page.dom.path(decision.source), () => this.openPhoto(decision), { class: 'link' }),
        page.format.decision(decision.decision),
        settingsText(decision),
        decision.note ? page.dom.name(decision.note) : '–',
        page.format.time(decision.time),
        button('Remove', () => this.decisions.remove([decision.source]), {
          class: 'quiet',
          'aria-label': `Remove the decision about ${file.slice(0, 200)}`,
        }),
      ];
    }

    // The row may be another one since the report was renewed.
    async openPhoto(decision) {
      this.say('Looking for the photo …');
      const row = await page.table.find(decision.source, decision.row);
      if (row < 0) this.say('This report has no such photo any more.');
      else window.location.hash = `#photo/${row}`;
    }

    async export() {
      if ((await page.askReviewer(this.decisions)) === null) return;
      const text = `${JSON.stringify(this.decisions.file(), null, 1)}\n`;
      const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
      const link = element('a', { href: address, download: fileName() });
      link.click();
      // Not at once: the browser reads it after this.
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      this.say(`${page.format.count(this.decisions.size, 'decision')} exported to ${fileName()}.`);
    }

    async takeFile() {
      const [chosen] = this.file.files;
      this.file.value = '';
      if (!chosen) return;
      try {
        const file = JSON.parse(await chosen.text());
        const taken = this.decisions.merge(file);
        const text = `${page.format.count(taken, 'decision')} imported; those that you made later stay.`;
        this.say(file.archive === page.summary.archive ? text : `${text} ${elsewhere(file)}`);
      } catch (error) {
        const text = error instanceof SyntaxError ? 'This is no decision file.' : error.message;
        this.say(`Nothing imported. ${text}`);
      }
    }

    async apply() {
      if ((await page.askReviewer(this.decisions)) === null) return;
      this.say('The archive takes them …');
      try {
        const { accepted, rejected, redo, refused, note } = await page.server.apply();
        const lines = refused.map(({ source, reason }) =>
          element('li', {}, page.dom.name(`${source}: ${reason}`)),
        );
        page.dom.replace(
          this.message,
          `In the archive: ${accepted} accepted, ${rejected} rejected, ${redo} to be redone. `,
          note
            ? `${note[0].toUpperCase()}${note.slice(1)}. `
            : button('Load the new report', () => window.location.reload(), { class: 'primary' }),
          lines.length ? ['Refused, and still here:', element('ul', {}, lines)] : null,
        );
      } catch (error) {
        this.say(`Not applied: ${error.message}`);
      }
    }

    removeAll() {
      const { decisions } = this;
      const question = `Remove ${page.format.count(decisions.size, 'decision')} from this browser? What was not exported is lost.`;
      if (decisions.size && window.confirm(question))
        decisions.remove(decisions.all().map(({ source }) => source));
    }

    say(text) {
      this.message.textContent = text;
    }

    leave() {
      this.decisions.removeEventListener('change', this.listener);
      this.decisions.removeEventListener('saved', this.listener);
    }

    keys = {};
  }

  // The same archive may have been given in another way, so that this is no reason to refuse it.
  function elsewhere({ archive }) {
    return `The file says that they are about ${String(archive).slice(0, 200)}: if that is another archive than this one, remove them.`;
  }

  function settingsText({ settings, decision }) {
    if (decision !== 'redo') return '–';
    return page.format.settings(settings ?? {}) || 'the run’s options';
  }

  // decisions-<archive>-<date>.json
  function fileName() {
    const archive = page.summary.title
      .replace(/[^A-Za-z0-9_-]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 60);
    return `decisions-${archive || 'archive'}-${new Date().toISOString().slice(0, 10)}.json`;
  }

  page.DecisionsView = DecisionsView;
})(window.restoreArchive.page);
