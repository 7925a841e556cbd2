'use strict';
// The gallery of what needs review, most in need first.

(function (page) {
  const { element, field, select } = page.dom;
  const PAGE_CARDS = 48;

  class ReviewView {
    constructor(main) {
      this.main = main;
      this.count = element('p', { class: 'count' });
      this.body = element('div', {});
      page.dom.replace(
        main,
        element('h1', { tabindex: -1 }, 'Review'),
        element(
          'p',
          { class: 'lead' },
          'Photos that a person should look at, those most in need first. The left half of each picture is the original.',
        ),
        this.filters(),
        this.count,
        this.body,
      );
    }

    title() {
      return 'Review';
    }

    filters() {
      const reasons = page.summary.reasons.map(({ reason, photos }) => [
        reason,
        `${reason.slice(0, 90)} (${page.format.number(photos)})`,
      ]);
      this.reason = select([['', 'All'], ...reasons], '', { on: { change: () => this.change() } });
      this.open = element('input', { type: 'checkbox', on: { change: () => this.change() } });
      return element(
        'form',
        {
          class: 'filters',
          'aria-label': 'Review',
          on: { submit: (event) => event.preventDefault() },
        },
        element(
          'div',
          { class: 'filter-row' },
          field('Reason', this.reason),
          element('label', { class: 'check' }, this.open, ' Undecided only'),
        ),
      );
    }

    change() {
      const parameters = new URLSearchParams();
      if (this.reason.value) parameters.set('reason', this.reason.value);
      if (this.open.checked) parameters.set('open', 'yes');
      const text = parameters.toString();
      window.location.hash = text ? `#review?${text}` : '#review';
    }

    async update({ parameters }) {
      const current = (this.current = Symbol('review'));
      const review = await page.data.review();
      if (current !== this.current) return false;
      this.reason.value = parameters.get('reason') ?? '';
      this.open.checked = parameters.get('open') === 'yes';
      this.parameters = parameters;
      this.render(review);
      return true;
    }

    render(review) {
      const cards = review.cards.filter((card) => this.isShown(card));
      const isFiltered = this.reason.value !== '' || this.open.checked;
      const pages = Math.max(1, Math.ceil(cards.length / PAGE_CARDS));
      const at = Math.min(
        Math.max(1, Number.parseInt(this.parameters.get('page'), 10) || 1),
        pages,
      );
      const shown = cards.slice((at - 1) * PAGE_CARDS, at * PAGE_CARDS);
      // Beyond the cards, going on from photo to photo takes the others, too.
      const rows = isFiltered ? cards.map((card) => card.row) : review.rows;
      page.list = { rows, back: this.address(at), label: 'Review' };
      const text = this.countText(cards.length, review);
      this.count.textContent = text;
      page.dom.announce(text);
      page.dom.replace(
        this.body,
        element(
          'ul',
          { class: 'gallery' },
          shown.map((card) => cardElement(card)),
        ),
        page.dom.pager(at, pages, (to) => this.address(to)),
        at === pages ? rest(review) : null,
      );
    }

    isShown(card) {
      const { value } = this.reason;
      if (this.open.checked && (page.decisions.get(card.source) || card.review_decision))
        return false;
      return !value || (card.reasons ?? []).some((reason) => general(reason) === value);
    }

    countText(count, review) {
      if (!review.rows.length) return 'Nothing needs review.';
      const decided = review.cards.filter((card) => page.decisions.get(card.source)).length;
      return `${page.format.count(count, 'photo')}${decided ? `, ${page.format.number(decided)} decided by you` : ''}`;
    }

    address(to) {
      const parameters = new URLSearchParams(this.parameters);
      parameters.delete('page');
      if (to > 1) parameters.set('page', to);
      const text = parameters.toString();
      return text ? `#review?${text}` : '#review';
    }

    leave() {
      this.current = null;
    }

    get keys() {
      return { j: () => this.step(1), k: () => this.step(-1) };
    }

    // The focus goes from card to card.
    step(way) {
      const cards = [...this.body.querySelectorAll('a.card')];
      const at = cards.indexOf(document.activeElement) + way;
      cards[Math.min(cards.length - 1, Math.max(0, at))]?.focus();
    }
  }

  // A reason without its figures, as the summary counts them.
  const general = (reason) => reason.replace(/\b[0-9]+([.][0-9]+)?\b/g, '…');

  function rest(review) {
    const more = review.rows.length - review.cards.length;
    if (more <= 0) return null;
    const link = element('a', { href: '#photos?review=yes' }, 'in the table');
    return element(
      'p',
      {},
      `${page.format.count(more, 'more photo')} that needs review: `,
      link,
      '.',
    );
  }

  function cardElement(card) {
    const { folder, file } = page.format.parts(card.source);
    const mine = page.decisions.get(card.source)?.decision ?? card.review_decision;
    const reasons = card.reasons ?? [];
    return element(
      'li',
      {},
      element(
        'a',
        { class: 'card', href: `#photo/${card.row}` },
        cardPicture(card, file),
        element(
          'div',
          { class: 'card-text' },
          page.dom.name(file, 'name card-name'),
          folder ? page.dom.name(folder, 'name folder') : null,
          element(
            'span',
            { class: 'badges' },
            card.status === 'restored' ? null : page.format.status(card.status),
            mine ? page.format.decision(mine) : null,
          ),
          element(
            'ul',
            { class: 'card-reasons' },
            reasons.slice(0, 2).map((reason) => element('li', {}, page.dom.name(reason))),
          ),
          reasons.length > 2
            ? element(
                'span',
                { class: 'muted' },
                `and ${page.format.count(reasons.length - 2, 'more reason')}`,
              )
            : null,
        ),
      ),
    );
  }

  // The left half of the original over what came out.
  function cardPicture(card, file) {
    const picture = (src, className, what) =>
      src
        ? element('img', {
            src,
            class: className,
            alt: `${what}: ${file.slice(0, 200)}`,
            loading: 'lazy',
            decoding: 'async',
          })
        : null;
    const before = card.thumbnail_before ?? card.thumbnail;
    const after = card.thumbnail_after ?? card.thumbnail_colorized;
    return element(
      'div',
      { class: 'card-picture' },
      after || before ? null : element('span', { class: 'no-picture' }, 'No picture'),
      picture(after, 'card-after', 'Restored'),
      picture(before, after ? 'card-before half' : 'card-before', 'Original'),
      after && before ? element('span', { class: 'seam', 'aria-hidden': 'true' }) : null,
    );
  }

  page.ReviewView = ReviewView;
})(window.restoreArchive.page);
