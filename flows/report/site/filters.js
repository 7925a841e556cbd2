'use strict';
// The form above the table of photos. It holds nothing by itself: what it shows is in the address.

(function (page) {
  const { element, button, field, select } = page.dom;
  const { NONE, RANGES, SORTS } = page.query;
  const TYPING_MS = 250; // that a search waits for the next letter
  const SORT_LABELS = {
    source: 'Name',
    needs_review: 'Needs review',
    decision: 'Decision',
    noise_sigma: 'Noise before',
    noise_sigma_after: 'Noise after',
    blur_sigma: 'Blur before',
    blur_sigma_after: 'Blur after',
  };

  const CHIP_LABELS = new Map([
    ['q', 'Search'],
    ['review', 'Needs review'],
    ['degradation', 'Found'],
    ['step', 'Step'],
    ['error_class', 'Failure'],
    ['run_id', 'Run'],
    ['folder', 'Folder'],
  ]);

  const sortLabel = (name) =>
    Object.hasOwn(SORT_LABELS, name) ? SORT_LABELS[name] : page.format.words(name);

  class Filters {
    // `change` is called with the values that are to change.
    constructor(change) {
      this.change = change;
      this.controls = new Map();
      this.search = this.searchField();
      this.ranges = Object.keys(RANGES).map((name) => this.rangeField(name));
      this.more = element(
        'details',
        { class: 'more-filters' },
        element('summary', {}, 'More filters'),
        element('div', { class: 'filter-grid' }, this.texts(), this.folderField()),
        element('div', { class: 'filter-grid' }, this.ranges),
      );
      this.chips = element('div', { class: 'chips' });
      this.node = element(
        'form',
        {
          class: 'filters',
          role: 'search',
          'aria-label': 'Photos',
          on: { submit: (event) => event.preventDefault() },
        },
        element('div', { class: 'filter-row' }, this.search, this.choices(), this.sortField()),
        this.more,
        this.chips,
      );
    }

    searchField() {
      const input = element('input', {
        type: 'search',
        placeholder: 'Part of a name or folder',
        autocomplete: 'off',
        spellcheck: 'false',
        'aria-keyshortcuts': '/',
        on: {
          input: () => {
            this.forgetSearch();
            this.typing = setTimeout(() => this.change({ q: input.value.trim() }), TYPING_MS);
          },
        },
      });
      this.controls.set('q', input);
      return field('Search', input, 'field search');
    }

    // A search that was typed and did not begin; the person went elsewhere.
    forgetSearch() {
      clearTimeout(this.typing);
    }

    choice(name, label, options) {
      const control = select([['', 'All'], ...options], '', {
        on: { change: () => this.change({ [name]: control.value }) },
      });
      this.controls.set(name, control);
      return field(label, control);
    }

    choices() {
      const { STATUSES, DECISIONS, DEGRADATIONS } = page.format;
      const labels = (kinds) => Object.entries(kinds).map(([key, { label }]) => [key, label]);
      const found = page.summary.degradations.map(({ name }) => name);
      return [
        this.choice('review', 'Needs review', [
          ['yes', 'Yes'],
          ['no', 'No'],
        ]),
        this.choice('status', 'Status', labels(STATUSES)),
        this.choice(
          'degradation',
          'Found',
          found.map((name) => [name, DEGRADATIONS[name] ?? name]),
        ),
        this.choice('decision', 'Decision', [[NONE, 'None yet'], ...labels(DECISIONS)]),
      ];
    }

    texts() {
      const { plans, cameras, failures, runs } = page.summary;
      const short = (text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
      const options = (values) =>
        values.map((value) => (value ? [value, short(value)] : [NONE, 'None']));
      return [
        this.choice(
          'step',
          'Step taken',
          page.limits.STEPS.map((step) => [step, page.format.words(step)]),
        ),
        this.choice('plan', 'Plan', options(plans.map(({ plan }) => plan))),
        this.choice('camera', 'Camera or scanner', options(cameras.map(({ camera }) => camera))),
        this.choice(
          'error_class',
          'Failure',
          options(failures.map((failure) => failure.error_class)),
        ),
        this.choice('run_id', 'Run', options(runs.map((run) => run.run_id).reverse())),
      ];
    }

    folderField() {
      const list = element(
        'datalist',
        { id: 'folders' },
        page.summary.folders
          .filter(({ folder }) => folder)
          .map(({ folder }) => element('option', { value: folder })),
      );
      const input = element('input', {
        type: 'text',
        list: 'folders',
        autocomplete: 'off',
        on: {
          change: () =>
            this.change({
              folder: input.value.replace(/\/+$/, ''),
              below: below.checked ? 'yes' : '',
            }),
        },
      });
      const below = element('input', {
        type: 'checkbox',
        on: { change: () => this.change({ below: below.checked ? 'yes' : '' }) },
      });
      this.controls.set('folder', input);
      this.below = below;
      return element(
        'div',
        { class: 'field' },
        field('Folder', input),
        list,
        element('label', { class: 'check' }, below, ' with its subfolders'),
      );
    }

    rangeField(name) {
      const bound = (label) =>
        element('input', {
          type: 'number',
          step: 'any',
          placeholder: label,
          'aria-label': `${sortLabel(name)}, ${label}`,
          on: { change: () => this.changeRange(name) },
        });
      const bounds = [bound('least'), bound('most')];
      this.controls.set(name, bounds);
      return element(
        'div',
        { class: 'field range', role: 'group', 'aria-label': sortLabel(name) },
        element('span', {}, page.measures.heading(name, sortLabel(name))),
        element('div', { class: 'bounds' }, bounds),
      );
    }

    changeRange(name) {
      const [least, most] = this.controls.get(name).map((input) => input.value.trim());
      this.change({ [name]: least || most ? `${least}..${most}` : '' });
    }

    sortField() {
      const options = SORTS.flatMap((name) => [
        [name, `${sortLabel(name)} ↑`],
        [`-${name}`, `${sortLabel(name)} ↓`],
      ]);
      this.sort = select(options, 'source', {
        on: {
          change: () => this.change({ sort: this.sort.value === 'source' ? '' : this.sort.value }),
        },
      });
      return field('Order', this.sort);
    }

    // Shows a query. What is being typed in is left alone.
    show(query) {
      for (const [name, control] of this.controls) {
        if (Array.isArray(control)) {
          const bounds = query.range(name) ?? [NaN, NaN];
          control.forEach((input, at) =>
            put(input, Number.isNaN(bounds[at]) ? '' : String(bounds[at])),
          );
        } else {
          put(control, query.get(name));
        }
      }
      this.below.checked = query.get('below') !== '';
      this.sort.value = `${query.descending ? '-' : ''}${query.sort}`;
      if (
        query.filters.some(
          (name) =>
            ['step', 'plan', 'camera', 'error_class', 'run_id', 'folder'].includes(name) ||
            Object.hasOwn(RANGES, name),
        )
      )
        this.more.open = true;
      this.showChips(query);
    }

    // What is set, each with a way to take it back.
    showChips(query) {
      const chip = (name) =>
        button(
          [this.chipText(query, name), element('span', { 'aria-hidden': 'true' }, ' ×')],
          () => this.change({ [name]: '' }),
          {
            class: 'chip',
            'aria-label': `Remove the filter ${this.chipText(query, name)}`,
          },
        );
      const all = query.filters;
      const clear = button(
        'Clear all',
        () => this.change(Object.fromEntries(all.map((name) => [name, '']))),
        { class: 'quiet' },
      );
      page.dom.replace(this.chips, all.map(chip), all.length > 1 ? clear : null);
    }

    chipText(query, name) {
      const label = CHIP_LABELS.get(name) ?? sortLabel(name);
      const range = Object.hasOwn(RANGES, name) ? query.range(name) : null;
      if (range) {
        const [least, most] = range.map((bound) =>
          Number.isNaN(bound) ? '…' : page.format.number(bound, 2),
        );
        return `${label}: ${least} to ${most}`;
      }
      const value = query.get(name);
      const option = [...(this.controls.get(name)?.options ?? [])].find(
        (each) => each.value === value,
      );
      return `${label}: ${option?.textContent ?? (value.slice(0, 80) || 'top folder')}`;
    }
  }

  function put(control, value) {
    if (control === document.activeElement && control.type !== 'select-one') return;
    // A value that no option has, such as a camera beyond those listed, gets one.
    if (
      control.tagName === 'SELECT' &&
      value &&
      ![...control.options].some((option) => option.value === value)
    ) {
      control.append(element('option', { value }, value.slice(0, 60)));
    }
    control.value = value;
  }

  page.Filters = Filters;
})(window.restoreArchive.page);
