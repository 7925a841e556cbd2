'use strict';
// The table of photos in columns: typed arrays and codes for text that repeats, so that a million
// rows take some hundred megabytes and a filter takes a fraction of a second.

(function (page) {
  const NUMBERS = [
    'width',
    'height',
    'noise_sigma',
    'noise_sigma_after',
    'blur_sigma',
    'blur_sigma_after',
    'change_psnr_db',
    'change_ssim',
    'change_delta_e00',
  ];
  const TEXTS = [
    'status',
    'review_decision',
    'format',
    'camera',
    'plan',
    'degradations',
    'error_class',
    'run_id',
  ];

  // Text of which few values occur: a code for each, 0 for none.
  class Codes {
    constructor(size) {
      this.codes = new Uint32Array(size);
      this.values = [null];
      this.known = new Map();
    }

    set(row, value) {
      if (value === null || value === undefined) return;
      let code = this.known.get(value);
      if (code === undefined) {
        code = this.values.push(value) - 1;
        this.known.set(value, code);
      }
      this.codes[row] = code;
    }

    get(row) {
      return this.values[this.codes[row]];
    }
  }

  class PhotoTable {
    constructor(size, chunkRows) {
      this.size = size;
      this.chunks = Math.ceil(size / chunkRows);
      this.chunkRows = chunkRows;
      this.sources = [];
      this.thumbnails = new Map();
      this.loaded = new Set();
      this.arriving = new Map(); // chunk → promise
    }

    // Memory is taken when the first rows come, not before the summary is shown.
    allocate() {
      const { size } = this;
      this.sources = new Array(size);
      this.needsReview = new Uint8Array(size);
      this.numbers = Object.fromEntries(
        NUMBERS.map((name) => [name, new Float32Array(size).fill(NaN)]),
      );
      this.texts = Object.fromEntries(TEXTS.map((name) => [name, new Codes(size)]));
    }

    get isWhole() {
      return this.loaded.size === this.chunks;
    }

    // Sees to it that these rows are there.
    async need(rows) {
      const chunks = new Set(Array.from(rows, (row) => Math.floor(row / this.chunkRows)));
      await Promise.all([...chunks].map((chunk) => this.load(chunk)));
    }

    // Sees to it that all rows are there; `progress` hears how many are.
    async needAll(progress) {
      for (let chunk = 0; chunk < this.chunks; chunk += 1) {
        await this.load(chunk);
        progress(Math.min(this.size, this.loaded.size * this.chunkRows));
      }
    }

    load(chunk) {
      if (!this.arriving.has(chunk)) {
        const promise = page.data.rows(chunk).then((data) => this.take(chunk, data));
        this.arriving.set(chunk, promise);
        promise.catch(() => this.arriving.delete(chunk));
      }
      return this.arriving.get(chunk);
    }

    take(chunk, { first, columns }) {
      if (!this.needsReview) this.allocate();
      columns.source.forEach((source, at) => {
        this.sources[first + at] = source;
        this.needsReview[first + at] = columns.needs_review[at] ? 1 : 0;
      });
      columns.thumbnail.forEach((thumbnail, at) => {
        if (thumbnail) this.thumbnails.set(first + at, thumbnail);
      });
      for (const [name, values] of Object.entries(this.numbers)) {
        (columns[name] ?? []).forEach((value, at) => {
          if (value !== null) values[first + at] = value;
        });
      }
      for (const [name, codes] of Object.entries(this.texts)) {
        (columns[name] ?? []).forEach((value, at) => codes.set(first + at, value));
      }
      this.loaded.add(chunk);
    }

    // One photo as an object; its rows must be there.
    row(row) {
      const taken = { row, source: this.sources[row], needs_review: this.needsReview[row] === 1 };
      taken.thumbnail = this.thumbnails.get(row) ?? null;
      for (const [name, values] of Object.entries(this.numbers)) {
        taken[name] = Number.isNaN(values[row]) ? null : values[row];
      }
      for (const [name, codes] of Object.entries(this.texts)) taken[name] = codes.get(row);
      return taken;
    }

    // The row of a source, or -1. Loads what it needs, beginning with where it was last time.
    async find(source, guess = 0) {
      if (guess < this.size) {
        await this.need([guess]);
        if (this.sources[guess] === source) return guess;
      }
      await this.needAll(() => {});
      return this.sources.indexOf(source);
    }
  }

  page.PhotoTable = PhotoTable;
})(window.restoreArchive.page);
