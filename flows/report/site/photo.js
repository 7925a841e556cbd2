'use strict';
// The page of one photo: its pictures, why it should be looked at, what was measured and done.

(function (page) {
  const { element, button } = page.dom;
  const NEXT_KEY = 'restore-archive.go-on';

  class PhotoView {
    constructor(main) {
      this.main = main;
      this.listener = () => this.form?.refresh();
      page.decisions.addEventListener('elsewhere', this.listener);
    }

    title() {
      return this.photo ? page.format.parts(this.photo.source).file : 'Photo';
    }

    async update({ rest }) {
      const row = Number.parseInt(rest, 10);
      const current = (this.current = Symbol('photo')); // an older one that arrives late is dropped
      if (!(row >= 0 && row < page.summary.rows))
        throw new Error(`This report has no photo ${rest}.`);
      await page.table.need([row]);
      const [details, pictures] = await Promise.all([
        page.data.details(row),
        page.data.pictures(row),
      ]);
      if (current !== this.current) return false;
      this.photo = { ...details, ...page.table.row(row) };
      this.pictures = pictures;
      this.render();
      return true;
    }

    render() {
      this.compare?.close();
      const { photo } = this;
      this.form = new page.DecisionForm(photo, page.decisions, () => this.afterDecision());
      page.dom.replace(
        this.main,
        this.head(),
        element(
          'div',
          { class: 'photo' },
          element('div', { class: 'photo-pictures' }, this.figure()),
          element('div', { class: 'photo-side' }, this.reasons(), this.form.node, this.goOn()),
          element('div', { class: 'photo-facts' }, this.facts()),
        ),
      );
    }

    head() {
      const { photo } = this;
      const { folder, file } = page.format.parts(photo.source);
      const size = photo.width ? `${photo.width} × ${photo.height} px` : null;
      const facts = [photo.format, size, photo.camera].filter(Boolean);
      return element(
        'header',
        { class: 'photo-head' },
        this.steps(),
        element(
          'h1',
          { tabindex: -1, class: file.length > 80 ? 'long' : null },
          page.dom.name(file),
        ),
        element(
          'p',
          { class: 'meta' },
          folder ? [page.dom.name(folder, 'name folder'), ' · '] : null,
          page.format.status(photo.status),
          facts.map((fact) => [' · ', page.dom.name(fact)]),
        ),
      );
    }

    // Previous and next photo of the list that this one was opened from.
    steps() {
      const { rows, back, label } = page.list;
      const at = rows ? rows.indexOf(this.photo.row) : this.photo.row;
      const count = rows ? rows.length : page.summary.rows;
      this.neighbours = [at - 1, at + 1].map((to) =>
        at < 0 || to < 0 || to >= count ? null : `#photo/${rows ? rows[to] : to}`,
      );
      const link = (to, text, rel) =>
        to
          ? element('a', { class: 'button', href: to, rel }, text)
          : element('span', { class: 'button disabled', 'aria-hidden': 'true' }, text);
      return element(
        'nav',
        { class: 'steps', 'aria-label': 'Photos' },
        element('a', { class: 'back', href: back }, `↑ ${label}`),
        element(
          'span',
          { class: 'muted' },
          at < 0 ? '' : `${page.format.number(at + 1)} of ${page.format.number(count)}`,
        ),
        link(this.neighbours[0], '‹ Previous', 'prev'),
        link(this.neighbours[1], 'Next ›', 'next'),
      );
    }

    figure() {
      const { before, after, colorized } = this.pictures;
      const { file } = page.format.parts(this.photo.source);
      const short = file.slice(0, 200);
      const shown = (picture, label) => picture && { picture, label, alt: `${label}: ${short}` };
      this.afters = [shown(after, 'Restored'), shown(colorized, 'Colorized')].filter(Boolean);
      const original = shown(before, 'Original');
      if (!original && !this.afters.length) {
        return element(
          'p',
          { class: 'no-pictures' },
          'This report has no pictures of this photo. ',
          this.pictureHint(),
        );
      }
      this.compare = new page.Compare(original, this.afters[0] ?? null);
      return element(
        'figure',
        { class: 'compare' },
        this.compare.stage,
        element('figcaption', { class: 'toolbar' }, this.choice(), this.zooms(), this.viewNote()),
      );
    }

    pictureHint() {
      return 'They are made of photos that need review, then of those that changed most: restore-archive report --pictures N makes more.';
    }

    // Restored or colorized, where there are both.
    choice() {
      if (this.afters.length < 2) return null;
      this.afterButtons = this.afters.map((after, at) =>
        button(after.label, () => this.choose(at), { 'aria-pressed': String(at === 0) }),
      );
      return element(
        'div',
        { class: 'group', role: 'group', 'aria-label': 'Compared with' },
        this.afterButtons,
      );
    }

    choose(at) {
      this.compare.replaceAfter(this.afters[at]);
      this.afterButtons.forEach((made, each) =>
        made.setAttribute('aria-pressed', String(each === at)),
      );
    }

    zooms() {
      return element(
        'div',
        { class: 'group', role: 'group', 'aria-label': 'Zoom' },
        this.compare.zoomButtons,
      );
    }

    viewNote() {
      const { before, after, colorized } = this.pictures;
      const shown = after ?? colorized ?? before;
      const notes = [];
      if (!shown.view) notes.push('Only a small picture of this photo is in the report.');
      else if (shown.scale < 1) notes.push('The pictures are reduced; 100 % is of what is here.');
      if (!before) notes.push('The original’s picture is not in the report.');
      return element(
        'span',
        { class: 'muted' },
        this.compare.zoomText,
        notes.map((note) => ` · ${note}`),
      );
    }

    reasons() {
      const { photo } = this;
      const reasons = photo.review_reasons ?? [];
      return [
        photo.needs_review
          ? element(
              'section',
              { class: 'reasons' },
              element('h2', {}, 'Why it needs your eyes'),
              sentences(reasons),
            )
          : null,
        photo.error_class
          ? element(
              'section',
              { class: 'reasons failure' },
              element('h2', {}, photo.error_class),
              element('p', {}, page.dom.name(photo.error_message ?? '')),
            )
          : null,
      ];
    }

    goOn() {
      const box = element('input', {
        type: 'checkbox',
        checked: page.memory.get(NEXT_KEY) !== 'no',
        on: { change: () => page.memory.set(NEXT_KEY, box.checked ? 'yes' : 'no') },
      });
      return element(
        'label',
        { class: 'check go-on' },
        box,
        ' Go on to the next photo after a decision',
      );
    }

    afterDecision() {
      if (page.memory.get(NEXT_KEY) !== 'no') this.go(1);
    }

    go(way) {
      const to = this.neighbours[way < 0 ? 0 : 1];
      if (to) window.location.hash = to;
      else page.dom.announce(way < 0 ? 'This is the first photo' : 'This is the last photo');
    }

    facts() {
      const { photo } = this;
      const section = (title, ...content) =>
        content.flat().some(Boolean)
          ? element('section', {}, element('h2', {}, title), content)
          : null;
      const plan = page.format.steps(photo.plan);
      const planned = plan.length
        ? element('p', {}, 'Taken: ', element('strong', {}, plan.join(', then ')))
        : null;
      const withheld = photo.withheld?.length
        ? element(
            'p',
            {},
            `Left the photo no better, so that it kept its original: ${photo.withheld.join(', ')}`,
          )
        : null;
      return [
        section('Measures', page.measures.comparison(photo), page.measures.changes(photo)),
        section('Plan', planned, withheld, sentences(photo.plan_reasons ?? [])),
        section('Notes', photo.notes?.length ? sentences(photo.notes) : null),
        section('Provenance', page.measures.provenance(photo), page.measures.everything(photo)),
      ];
    }

    leave() {
      this.current = null;
      page.decisions.removeEventListener('elsewhere', this.listener);
      this.compare?.close();
    }

    // What keys do here, beside those of every page.
    get keys() {
      return {
        j: () => this.go(1),
        k: () => this.go(-1),
        ArrowRight: () => this.go(1),
        ArrowLeft: () => this.go(-1),
        a: () => this.form.decide('accepted'),
        r: () => this.form.decide('rejected'),
        d: () => this.form.openSettings(),
        u: () => this.form.undo(),
        n: () => this.form.note.focus(),
        z: () => this.compare?.toggleZoom(),
        b: () => this.compare?.flip(),
        c: () => this.nextAfter(),
        Escape: () => {
          window.location.hash = page.list.back;
        },
      };
    }

    nextAfter() {
      if (this.afterButtons)
        this.choose(this.afterButtons[0].getAttribute('aria-pressed') === 'true' ? 1 : 0);
    }
  }

  function sentences(texts) {
    if (!texts.length) return null;
    return element(
      'ul',
      { class: 'sentences' },
      texts.map((text) => element('li', {}, page.dom.name(text))),
    );
  }

  page.PhotoView = PhotoView;
})(window.restoreArchive.page);
