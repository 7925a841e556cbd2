'use strict';
// What was measured of a photo and what is known of its making, as tables.

(function (page) {
  const { element, table } = page.dom;
  const { number, words } = page.format;

  // Measures of which less is better; of the others it cannot be said.
  const LESS_IS_BETTER = ['noise_sigma', 'blur_sigma', 'blockiness', 'niqe', 'brisque'];
  const CONFIDENCES = { noise_sigma: 'noise_confidence', blur_sigma: 'blur_confidence' };
  const SINGLE = [
    'change_psnr_db',
    'change_ssim',
    'change_delta_e00',
    'faces',
    'faces_ssim',
    'colour_uncertainty',
  ];

  // [name, column before, column after] of all measures that the manifest has twice.
  function pairs() {
    const found = [];
    for (const name of page.columns.keys()) {
      if (name.endsWith('_before') && page.columns.has(name.replace(/_before$/, '_after'))) {
        const stem = name.replace(/_before$/, '');
        found.push([stem, name, `${stem}_after`]);
      } else if (page.columns.has(`${name}_after`)) {
        found.push([name, name, `${name}_after`]);
      }
    }
    return found;
  }

  function unit(column) {
    return page.columns.get(column)?.unit ?? '';
  }

  // A measure's name, with what it means for those who point at it, and its unit.
  function heading(column, label = words(column)) {
    const described = page.columns.get(column)?.description ?? null;
    const named = element('span', { title: described }, label);
    return unit(column) ? [named, element('small', {}, ` ${unit(column)}`)] : named;
  }

  function difference(name, before, after) {
    if (typeof before !== 'number' || typeof after !== 'number') return null;
    const change = after - before;
    if (Math.abs(change) < 5e-4) return 'same';
    const size = before
      ? `${change > 0 ? '+' : '−'}${number(Math.abs((100 * change) / before), 0)} %`
      : number(change);
    // A hundredth more or less is neither.
    if (!LESS_IS_BETTER.includes(name) || Math.abs(change) < 0.02 * Math.abs(before)) return size;
    return [size, element('small', {}, change < 0 ? ' better' : ' worse')];
  }

  function comparison(photo) {
    const rows = pairs()
      .filter(([, before, after]) => known(photo[before]) || known(photo[after]))
      .map(([name, before, after]) => [
        heading(before, words(name)),
        [figure(photo[before]), certainty(photo[CONFIDENCES[name]])],
        figure(photo[after]),
        difference(name, photo[before], photo[after]) ?? '–',
      ]);
    if (!rows.length) return null;
    return table('Before and after', ['Measure', 'Before', 'After', 'Change'], rows, 'measures');
  }

  function changes(photo) {
    const rows = SINGLE.filter((name) => known(photo[name])).map((name) => [
      heading(name),
      figure(photo[name]),
    ]);
    return rows.length ? table('Amount of change', ['Measure', 'Value'], rows, 'measures') : null;
  }

  // How certain the assessment was.
  function certainty(confidence) {
    return known(confidence)
      ? element('small', {}, ` ${number(100 * confidence, 0)} % sure`)
      : null;
  }

  const known = (value) => value !== null && value !== undefined;

  function figure(value) {
    return typeof value === 'number'
      ? element('span', { class: 'figure', title: value }, page.format.significant(value))
      : '–';
  }

  // How the photo came about: everything that proves what was done to which file.
  function provenance(photo) {
    const seconds = ['decode', 'assess', 'restore', 'encode', 'put'].map(
      (step) => photo[`seconds_${step}`] ?? 0,
    );
    const all = seconds.reduce((sum, each) => sum + each, 0);
    return definitions([
      ['Run', photo.run_id],
      ['Made', page.format.time(photo.time)],
      ['Software', photo.software_version],
      ['Device', photo.device],
      ['Precision', photo.precision],
      ['Time taken', all ? page.format.duration(all) : null],
      ['Models', models(photo)],
      ['Strength, grain kept', strengths(photo)],
      ['Passes', photo.passes],
      ['Settings of this photo alone', photo.settings],
      ['Recipe', code(photo.recipe_id)],
      ['Original', file(photo.source, photo.source_size, photo.source_sha256)],
      ['Restored', file(photo.restored_path, photo.restored_size, photo.restored_sha256)],
      ['Colorized', file(photo.colorized_path, photo.colorized_size, photo.colorized_sha256)],
      ['Access copy', file(photo.access_path, photo.access_size, photo.access_sha256)],
      ['Sidecar', file(photo.sidecar_path, photo.sidecar_size, photo.sidecar_sha256)],
    ]);
  }

  function strengths({ strength, keep_grain: grain }) {
    if (!known(strength) && !known(grain)) return null;
    return `${known(strength) ? number(strength) : '–'}, ${known(grain) ? number(grain) : '–'}`;
  }

  function models({ models: names, model_sha256: hashes }) {
    if (!names?.length) return null;
    return element(
      'ul',
      { class: 'plain' },
      names.map((name, at) => element('li', {}, name, ' ', code(hashes?.[at]))),
    );
  }

  function file(path, size, sha256) {
    if (!path) return null;
    return [
      page.dom.name(path),
      element('div', { class: 'muted' }, page.format.bytes(size)),
      code(sha256),
    ];
  }

  const code = (text) => (text ? element('code', { class: 'hash' }, text) : null);

  // Terms with what they are; those without are left out.
  function definitions(terms) {
    return element(
      'dl',
      { class: 'terms' },
      terms
        .filter(([, value]) => known(value) && value !== '')
        .map(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]),
    );
  }

  // Every column of the manifest, for those who want to know.
  function everything(photo) {
    const rows = [...page.columns.keys()].map((name) => [
      element('code', { title: page.columns.get(name).description }, name),
      element('bdi', { class: 'name' }, text(photo[name])),
      unit(name) || '–',
    ]);
    return element(
      'details',
      { class: 'everything' },
      element('summary', {}, 'The whole manifest row'),
      table('Manifest row', ['Column', 'Value', 'Unit'], rows),
    );
  }

  function text(value) {
    if (!known(value)) return '–';
    return Array.isArray(value) ? value.join('\n') : String(value);
  }

  page.measures = { comparison, changes, provenance, everything, definitions, heading, unit };
})(window.restoreArchive.page);
