'use strict';
// The buttons and fields with which a person decides on a photo.

(function (page) {
  const { element, button, field, select } = page.dom;
  const STEP_LABELS = { denoise: 'Denoise', deblur: 'Deblur', colorize: 'Colorize' };

  // The form of one photo. `decided` is called after a decision, with what was decided.
  class DecisionForm {
    constructor(photo, decisions, decided) {
      this.photo = photo;
      this.decisions = decisions;
      this.decided = decided;
      const mine = decisions.get(photo.source);
      this.note = element(
        'textarea',
        { rows: 2, maxlength: page.limits.LONGEST_NOTE, on: { change: () => this.noteChanged() } },
        mine?.note ?? '',
      );
      this.settings = this.settingsElement(mine ? (mine.settings ?? {}) : settingsOf(photo));
      this.state = element('p', { class: 'decision-state' });
      this.buttons = {
        accepted: button('Accept', () => this.decide('accepted'), {
          class: 'accept',
          'aria-keyshortcuts': 'a',
        }),
        rejected: button('Reject', () => this.decide('rejected'), {
          class: 'reject',
          'aria-keyshortcuts': 'r',
        }),
        redo: button('Redo …', () => this.openSettings(), {
          class: 'redo',
          'aria-keyshortcuts': 'd',
          'aria-expanded': 'false',
        }),
      };
      this.node = element(
        'section',
        { class: 'decision-form', 'aria-labelledby': 'decision-heading' },
        element('h2', { id: 'decision-heading' }, 'Your decision'),
        element('div', { class: 'decision-buttons' }, Object.values(this.buttons)),
        this.settings,
        field('Note', this.note),
        this.state,
      );
      this.show();
    }

    // The controls begin with what the run chose; `settings` are those that a person chose instead.
    makeControls(settings) {
      const planned = page.format.steps(this.photo.plan);
      const { STEPS } = page.limits;
      // Without a plan, as of a failed photo, nothing was chosen: then any step may run.
      const allowed = planned.length ? planned : STEPS;
      this.steps = STEPS.map((step) =>
        element('input', { type: 'checkbox', value: step, checked: allowed.includes(step) }),
      );
      this.strength = share(this.photo.strength ?? 1);
      this.keepGrain = share(this.photo.keep_grain ?? 0);
      this.passes = select(
        page.limits.PASSES.map((passes) => [passes, passes]),
        this.photo.passes ?? 1,
      );
      this.unchanged = this.values();
      this.chosen = settings;
      this.put(settings);
    }

    settingsElement(settings) {
      this.makeControls(settings);
      this.request = element('p', { class: 'muted', 'aria-live': 'polite' });
      const form = element(
        'form',
        {
          class: 'redo-settings',
          hidden: true,
          on: { submit: (event) => this.submitRedo(event), input: () => this.showRequest() },
        },
        element(
          'fieldset',
          {},
          element('legend', {}, 'Steps that may run'),
          this.steps.map((box) =>
            element('label', { class: 'check' }, box, ` ${STEP_LABELS[box.value]}`),
          ),
        ),
        shareField('Strength', this.strength),
        shareField('Grain kept', this.keepGrain),
        field('Passes (more: finer, slower)', this.passes),
        this.request,
        element('button', { type: 'submit', class: 'redo' }, 'Ask to redo it'),
        button('As the run chooses', () => this.reset(), { class: 'quiet' }),
      );
      this.showRequest();
      return form;
    }

    // What the controls say.
    values() {
      return {
        steps: this.steps.filter((box) => box.checked).map((box) => box.value),
        strength: Number(this.strength.value),
        keep_grain: Number(this.keepGrain.value),
        passes: Number(this.passes.value),
      };
    }

    put({ steps, strength, keep_grain: keepGrain, passes }) {
      if (steps) for (const box of this.steps) box.checked = steps.includes(box.value);
      if ((strength ?? null) !== null) setShare(this.strength, strength);
      if ((keepGrain ?? null) !== null) setShare(this.keepGrain, keepGrain);
      if ((passes ?? null) !== null) this.passes.value = passes;
    }

    // What the person chose; null for nothing, which leaves it to the run. What is left out is
    // not pinned for later runs.
    settingsChosen() {
      const isChosen = ([name, value]) =>
        (this.chosen[name] ?? null) !== null || String(value) !== String(this.unchanged[name]);
      const chosen = Object.entries(this.values()).filter(isChosen);
      return chosen.length ? Object.fromEntries(chosen) : null;
    }

    reset() {
      this.chosen = {};
      this.put(this.unchanged);
      this.showRequest();
    }

    showRequest() {
      const settings = this.settingsChosen();
      this.request.textContent = settings
        ? `Asks for: ${page.format.settings(settings)}. What is not named here is as the run chooses.`
        : 'Nothing changed: it is done once more with the run’s options.';
    }

    openSettings() {
      this.settings.hidden = !this.settings.hidden;
      this.buttons.redo.setAttribute('aria-expanded', String(!this.settings.hidden));
      if (!this.settings.hidden) this.steps[0].focus();
    }

    submitRedo(event) {
      event.preventDefault();
      this.decide('redo', this.settingsChosen());
    }

    async decide(decision, settings = null) {
      if ((await page.askReviewer(this.decisions)) === null) return;
      const { photo } = this;
      this.decisions.set({
        source: photo.source,
        run_id: photo.run_id,
        restored_sha256: photo.restored_sha256 ?? null,
        decision,
        note: this.note.value.trim(),
        settings,
        time: new Date().toISOString(),
        row: photo.row,
      });
      this.show();
      page.dom.announce(
        `${page.format.DECISIONS[decision].label}: ${page.format.parts(photo.source).file}`,
      );
      this.decided(decision);
    }

    // A note that is written after the decision belongs to it.
    noteChanged() {
      const mine = this.decisions.get(this.photo.source);
      if (mine) this.decisions.set({ ...mine, note: this.note.value.trim() });
    }

    undo() {
      if (!this.decisions.get(this.photo.source)) return;
      this.decisions.remove([this.photo.source]);
      this.show();
      page.dom.announce('The decision was taken back');
    }

    show() {
      const mine = this.decisions.get(this.photo.source);
      for (const [kind, made] of Object.entries(this.buttons)) {
        made.setAttribute('aria-pressed', String(mine?.decision === kind));
      }
      page.dom.replace(this.state, mine ? this.mineText(mine) : this.archiveText());
    }

    // What another tab decided; a note that is being written stays.
    refresh() {
      const mine = this.decisions.get(this.photo.source);
      if (mine && this.note !== document.activeElement) this.note.value = mine.note;
      this.show();
    }

    mineText(mine) {
      const isOld =
        mine.run_id !== this.photo.run_id ||
        mine.restored_sha256 !== (this.photo.restored_sha256 ?? null);
      return [
        page.format.decision(mine.decision),
        ' ',
        page.format.time(mine.time),
        isOld ? ' – about an earlier version of this photo; decide again. ' : ' ',
        button('Undo', () => this.undo(), { class: 'quiet', 'aria-keyshortcuts': 'u' }),
      ];
    }

    archiveText() {
      const {
        review_decision: decision,
        reviewer,
        review_time: time,
        review_note: note,
      } = this.photo;
      if (!decision) return 'Nothing decided yet.';
      return [
        'In the archive: ',
        page.format.decision(decision),
        ' ',
        reviewer ? ['by ', page.dom.name(reviewer), ' '] : null,
        time ? page.format.time(time) : null,
        note ? element('q', {}, page.dom.name(note)) : null,
      ];
    }
  }

  // Those of the photo alone, from an earlier decision that the archive knows.
  function settingsOf({ settings }) {
    try {
      return JSON.parse(settings ?? '{}');
    } catch {
      return {};
    }
  }

  function setShare(range, value) {
    range.value = value;
    range.dispatchEvent(new Event('input')); // its figure follows
  }

  function share(value) {
    return element('input', { type: 'range', min: 0, max: 1, step: 0.05, value });
  }

  function shareField(label, range) {
    const shown = element('span', { class: 'share-value' }, Number(range.value).toFixed(2));
    range.addEventListener('input', () => {
      shown.textContent = Number(range.value).toFixed(2);
    });
    return element(
      'label',
      { class: 'field share' },
      element('span', {}, label, ' ', shown),
      range,
    );
  }

  page.DecisionForm = DecisionForm;
})(window.restoreArchive.page);
