'use strict';
// Figures and names as people read them.

(function (page) {
  const LANGUAGE = 'en-GB';
  const whole = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
  const formats = new Map();

  const STATUSES = {
    restored: { label: 'Restored', sign: '●' },
    nothing_to_do: { label: 'Nothing to do', sign: '○' },
    skipped: { label: 'Skipped', sign: '◌' },
    failed: { label: 'Failed', sign: '✕' },
    withdrawn: { label: 'Withdrawn', sign: '↩' },
  };
  const DECISIONS = {
    accepted: { label: 'Accepted', sign: '✓' },
    rejected: { label: 'Rejected', sign: '✕' },
    redo: { label: 'To be redone', sign: '↻' },
  };
  const MEASURES = {
    noise_sigma: 'Noise (sigma)',
    blur_sigma: 'Blur (sigma)',
    blockiness: 'JPEG blocks',
    niqe: 'NIQE',
    brisque: 'BRISQUE',
    change_psnr_db: 'PSNR to the original',
    change_ssim: 'SSIM to the original',
    change_delta_e00: 'Colour difference (ΔE00)',
    faces_ssim: 'Most changed face (SSIM)',
    colour_uncertainty: 'Uncertainty of the colours',
  };
  const DEGRADATIONS = {
    noise: 'Noise',
    blur: 'Blur',
    monochrome: 'Black and white, or toned',
    none: 'None of these',
    'not measured': 'Not measured',
  };

  // A number with at most so many digits after the point; whole ones grouped: 12,480.
  function number(value, digits = 2) {
    if (value === null || value === undefined || Number.isNaN(value)) return '–';
    if (Number.isInteger(value)) return whole.format(value);
    if (!formats.has(digits)) {
      formats.set(digits, new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: digits }));
    }
    return formats.get(digits).format(value);
  }

  // A number with three digits that mean something.
  const three = new Intl.NumberFormat(LANGUAGE, { maximumSignificantDigits: 3 });
  const significant = (value) => (Math.abs(value) >= 1000 ? number(value, 0) : three.format(value));

  // A measure, always with so many digits, so that columns of them line up.
  function measure(value, digits = 1) {
    if (value === null || value === undefined || Number.isNaN(value)) return '–';
    return value.toFixed(digits);
  }

  function bytes(count) {
    if (count === null || count === undefined) return '–';
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    let size = count;
    let unit = 0;
    while (size >= 1000 && unit < units.length - 1) {
      size /= 1000;
      unit += 1;
    }
    return `${number(size, size < 10 && unit ? 1 : 0)} ${units[unit]}`;
  }

  function megapixels(count) {
    if (count >= 1e6) return `${number(count / 1e6, 1)} Tpx`;
    if (count >= 1e4) return `${number(count / 1e3, 1)} Gpx`;
    return `${number(count, count < 100 ? 1 : 0)} Mpx`;
  }

  function duration(seconds) {
    if (seconds === null || seconds === undefined) return '–';
    if (seconds < 90) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
    if (seconds < 5400) return `${number(seconds / 60, 0)} min`;
    if (seconds < 36 * 3600) return `${number(seconds / 3600, 1)} h`;
    return `${number(seconds / 86400, 1)} days`;
  }

  function share(part, all) {
    if (!all) return '–';
    const percent = (100 * part) / all;
    if (part && percent < 0.1) return '< 0.1 %';
    return `${number(percent, percent < 10 ? 1 : 0)} %`;
  }

  // An ISO 8601 time as a <time> in the reader's own time zone.
  function time(iso, style = { dateStyle: 'medium', timeStyle: 'short' }) {
    const moment = new Date(iso ?? NaN);
    if (Number.isNaN(moment.getTime())) return document.createTextNode(iso ?? '–');
    const text = new Intl.DateTimeFormat(LANGUAGE, style).format(moment);
    return page.dom.element('time', { datetime: iso, title: iso }, text);
  }

  function count(value, one, many = `${one}s`) {
    return `${number(value)} ${value === 1 ? one : many}`;
  }

  function parts(source) {
    const slash = source.lastIndexOf('/');
    return { folder: source.slice(0, Math.max(slash, 0)), file: source.slice(slash + 1) };
  }

  // "noise_sigma_after" as words, where there are no better ones.
  function words(column) {
    const known = Object.hasOwn(MEASURES, column) ? MEASURES[column] : column.replaceAll('_', ' ');
    return known.charAt(0).toUpperCase() + known.slice(1);
  }

  // What a person chose for a photo, in words: "only denoise, strength 0.5"; empty for nothing.
  function settings({ steps: chosen, strength, keep_grain: keepGrain, passes }) {
    const isSaid = (value) => value !== undefined && value !== null;
    return [
      isSaid(chosen) ? (chosen.length ? `only ${chosen.join(' and ')}` : 'no steps') : '',
      isSaid(strength) ? `strength ${number(strength)}` : '',
      isSaid(keepGrain) ? `grain ${number(keepGrain)}` : '',
      isSaid(passes) ? count(passes, 'pass', 'passes') : '',
    ]
      .filter(Boolean)
      .join(', ');
  }

  const steps = (plan) => (plan ? plan.split('+') : []);

  // Names compared without case and accents: letters without their marks, and what has none.
  const LETTERS = { ß: 'ss', ø: 'o', ł: 'l', đ: 'd', æ: 'ae', œ: 'oe', ı: 'i', þ: 'th' };
  function folded(text) {
    const lower = text.toLowerCase();
    // Most names are plain, and a million of them are searched.
    if (/^[\x00-\x7f]*$/.test(lower)) return lower;
    const bare = lower.normalize('NFD').replace(/\p{M}/gu, '');
    return bare.replace(/[ßøłđæœıþ]/g, (letter) => LETTERS[letter]);
  }

  // A sign and a word, so that nothing is said by colour alone.
  function badge(kinds, key, prefix) {
    const known = Object.hasOwn(kinds, key) ? kinds[key] : null;
    const { label, sign } = known ?? { label: String(key), sign: '·' };
    const mark = page.dom.element('span', { class: 'sign', 'aria-hidden': 'true' }, sign);
    return page.dom.element(
      'span',
      { class: `badge ${prefix}-${known ? key : 'other'}` },
      mark,
      ` ${label}`,
    );
  }

  page.format = {
    STATUSES,
    DECISIONS,
    DEGRADATIONS,
    number,
    significant,
    measure,
    bytes,
    megapixels,
    duration,
    share,
    time,
    count,
    parts,
    words,
    settings,
    steps,
    folded,
    status: (status) => badge(STATUSES, status, 'status'),
    decision: (decision) => badge(DECISIONS, decision, 'decision'),
  };
})(window.restoreArchive.page);
