'use strict';
// What the reviewer decided, kept in this browser under the archive's id until it is exported or
// sent to the server that the page came from.

(function (page) {
  const VERSION = 1;
  const KINDS = ['accepted', 'rejected', 'redo'];
  const STEPS = ['denoise', 'deblur', 'colorize'];
  const SETTINGS = ['steps', 'strength', 'keep_grain', 'passes'];
  const PASSES = [1, 2, 4, 8];
  const LONGEST_SOURCE = 4096;
  const LONGEST_NAME = 200;
  const LONGEST_NOTE = 4000;
  const SHA256 = /^[0-9a-f]{64}$/;
  const HALF_SURROGATE = /\p{Surrogate}/u;
  // With its zone: elsewhere it would be another time.
  const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.]\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/;

  class Decisions extends EventTarget {
    constructor(archiveId) {
      super();
      this.key = `restore-archive.decisions.${archiveId}`;
      this.reviewerKey = 'restore-archive.reviewer';
      this.reviewer = page.memory.get(this.reviewerKey) ?? '';
      this.bySource = kept(this.key);
      this.unkept = new Map(); // source → decision, or null: changes that the browser did not keep
      this.isKept = true;
      window.addEventListener('storage', (event) => this.changedElsewhere(event));
    }

    get(source) {
      return this.bySource.get(source);
    }

    all() {
      return [...this.bySource.values()];
    }

    get size() {
      return this.bySource.size;
    }

    set(decision) {
      this.change([[decision.source, decision]]);
    }

    remove(sources) {
      this.change(sources.map((source) => [source, null]));
    }

    // Removes decisions unless they were made anew, or their notes changed, since.
    removeUnchanged(decisions) {
      this.read();
      const text = (decision) => JSON.stringify(decision && exported(decision));
      const isSame = (decision) => text(this.get(decision.source)) === text(decision);
      this.remove(decisions.filter(isSame).map(({ source }) => source));
    }

    setReviewer(name) {
      this.reviewer = reviewerName(name);
      page.memory.set(this.reviewerKey, this.reviewer);
      this.dispatchEvent(new Event('change'));
    }

    // Takes [source, decision or null] into what is kept now: another tab may have written since.
    change(entries) {
      for (const [source, decision] of entries) this.unkept.set(source, decision);
      this.read();
      this.isKept = page.memory.set(this.key, JSON.stringify(this.all()));
      if (this.isKept) this.unkept.clear();
      this.dispatchEvent(new Event('change'));
    }

    read() {
      this.bySource = kept(this.key);
      for (const [source, decision] of this.unkept) {
        if (decision) this.bySource.set(source, decision);
        else this.bySource.delete(source);
      }
    }

    // Another tab wrote; without a key, it forgot everything.
    changedElsewhere({ key }) {
      if (![this.key, this.reviewerKey, null].includes(key)) return;
      this.reviewer = page.memory.get(this.reviewerKey) ?? '';
      this.read();
      this.dispatchEvent(new Event('change'));
      this.dispatchEvent(new Event('elsewhere'));
    }

    // The decision file.
    file() {
      return {
        restore_archive_decisions: VERSION,
        archive: page.summary.archive,
        reviewer: this.reviewer,
        decisions: this.all().map(exported),
      };
    }

    // Takes the decisions of a file; the later one of two about a photo counts. Returns how many
    // were taken. Throws an error that says what is wrong.
    merge(file) {
      const taken = new Map();
      for (const decision of checked(file)) {
        const mine = taken.get(decision.source) ?? this.get(decision.source);
        if (mine && mine.time >= decision.time) continue;
        taken.set(decision.source, { row: mine?.row ?? 0, ...decision });
      }
      if (!this.reviewer && typeof file.reviewer === 'string') this.setReviewer(file.reviewer);
      this.change([...taken]);
      return taken.size;
    }
  }

  function kept(key) {
    try {
      const decisions = JSON.parse(page.memory.get(key) ?? '[]').filter(isDecision);
      return new Map(decisions.map((decision) => [decision.source, decision]));
    } catch {
      return new Map();
    }
  }

  // A decision as it stands in the file: not the row, which is of this report only.
  function exported({ source, run_id, restored_sha256, decision, note, settings, time }) {
    const made = { source, run_id, restored_sha256, decision, note, time };
    if (decision === 'redo' && settings) made.settings = settings;
    return made;
  }

  // The decisions of a file, as `restore-archive review apply` takes them (flows/decisions.py).
  // Which archive it is about is not asked: the same one has many spellings, and a decision counts
  // for the very row that was seen.
  function checked(file) {
    if (file?.restore_archive_decisions !== VERSION || !Array.isArray(file.decisions)) {
      throw new Error('This is no decision file of this version of restore-archive.');
    }
    const wrong = file.decisions.findIndex((decision) => !isDecision(decision));
    if (wrong >= 0) throw new Error(`Decision ${wrong + 1} of the file is not as it should be.`);
    return file.decisions.map((decision) => normal(exported(decision)));
  }

  // Times in one spelling can be compared as texts; steps stand in the order that they run in.
  function normal(decision) {
    const made = {
      ...decision,
      restored_sha256: decision.restored_sha256 ?? null,
      note: (decision.note ?? '').trim(),
      time: new Date(decision.time).toISOString(),
    };
    const steps = made.settings?.steps;
    if (steps)
      made.settings = { ...made.settings, steps: STEPS.filter((step) => steps.includes(step)) };
    return made;
  }

  function isDecision(value) {
    return (
      typeof value === 'object' &&
      value !== null &&
      isText(value.source, 1, LONGEST_SOURCE) &&
      isText(value.run_id, 1, LONGEST_NAME) &&
      ((value.restored_sha256 ?? null) === null ||
        (typeof value.restored_sha256 === 'string' && SHA256.test(value.restored_sha256))) &&
      KINDS.includes(value.decision) &&
      isTime(value.time) &&
      isText(value.note ?? '', 0, LONGEST_NOTE) &&
      isSettings(value.settings)
    );
  }

  // Unicode text of so many characters, counted as Python counts them.
  function isText(value, least, most) {
    if (typeof value !== 'string' || HALF_SURROGATE.test(value)) return false;
    const { length } = [...value];
    return length >= least && length <= most;
  }

  function isTime(value) {
    if (typeof value !== 'string' || !TIME.test(value)) return false;
    const year = new Date(value).getUTCFullYear(); // NaN if there is no such time
    return year >= 1 && year <= 9999;
  }

  function isSettings(value) {
    if (value === undefined || value === null) return true;
    const isShare = (share) =>
      (share ?? null) === null || (typeof share === 'number' && share >= 0 && share <= 1);
    return (
      typeof value === 'object' &&
      Object.keys(value).every((name) => SETTINGS.includes(name)) &&
      ((value.steps ?? null) === null ||
        (Array.isArray(value.steps) && value.steps.every((step) => STEPS.includes(step)))) &&
      isShare(value.strength) &&
      isShare(value.keep_grain) &&
      ((value.passes ?? null) === null || PASSES.includes(value.passes))
    );
  }

  // A name as the command takes it: one line, spaces of one kind, nothing that cannot be seen.
  function reviewerName(text) {
    const plain = text.replace(/[\s\p{Z}]+/gu, ' ').replace(/\p{C}/gu, '');
    return [...plain].slice(0, LONGEST_NAME).join('').trim();
  }

  // The reviewer's name, asked for if it is not known. Null when the question is dismissed.
  async function askReviewer(decisions) {
    if (decisions.reviewer) return decisions.reviewer;
    const dialog = document.getElementById('reviewer-dialog');
    const input = dialog.querySelector('input');
    input.value = page.summary.serve?.reviewer ?? '';
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    if (dialog.returnValue !== 'use' || !reviewerName(input.value)) return null;
    decisions.setReviewer(input.value);
    return decisions.reviewer;
  }

  Object.assign(page, { Decisions, askReviewer });
  page.limits = { LONGEST_NAME, LONGEST_NOTE, PASSES, STEPS };
})(window.restoreArchive.page);
