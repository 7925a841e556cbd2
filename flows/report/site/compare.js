'use strict';
// Two pictures of a photo, one over the other, with a slider between them; zoom and panning move
// both alike.

(function (page) {
  const { element } = page.dom;
  const ZOOMS = ['fit', '1', '2'];
  const STEP_PIXELS = 80; // that an arrow key pans

  // A picture: {view, thumbnail, width, height, scale}; `width` and `height` are the photo's.
  class Compare {
    // `before` and `after` are {picture, label, alt}; either may be null.
    constructor(before, after) {
      this.split = 50;
      this.zoom = 'fit';
      this.offset = [0, 0]; // of the pictures in the stage, CSS pixels
      this.centre = [0.5, 0.5]; // of the stage in the pictures, shares of their size
      this.before = layerOf('before', before);
      this.after = layerOf('after', after);
      const size = sizeOf((after ?? before).picture);
      [this.width, this.height, this.scale] = size;
      this.isPair = Boolean(before && after);
      this.range = this.rangeElement(before?.label, after?.label);
      this.stage = this.stageElement(before?.label, after?.label);
      this.zoomText = element('span', { class: 'zoom-text' });
      this.zoomButtons = ZOOMS.map((zoom) => this.zoomButton(zoom));
      this.setSplit(50);
      this.observer = new ResizeObserver(() => this.layOut());
      this.observer.observe(this.stage);
    }

    rangeElement(before, after) {
      const range = element('input', {
        type: 'range',
        min: 0,
        max: 100,
        step: 1,
        class: 'split',
        'aria-label': `Slider between ${before} and ${after}`,
        on: { input: () => this.setSplit(Number(this.range.value)) },
      });
      this.labels = [before, after];
      return range;
    }

    stageElement(before, after) {
      const stage = element(
        'div',
        { class: 'stage', role: 'group', 'aria-label': 'Pictures' },
        this.after,
        this.before,
        before
          ? element('span', { class: 'corner corner-before', 'aria-hidden': 'true' }, before)
          : null,
        after
          ? element('span', { class: 'corner corner-after', 'aria-hidden': 'true' }, after)
          : null,
        this.isPair ? this.range : null,
      );
      stage.style.aspectRatio = `${this.width} / ${this.height}`;
      stage.addEventListener('pointerdown', (event) => this.grab(event));
      stage.addEventListener('dblclick', (event) => this.toggleZoomAt(event));
      return stage;
    }

    zoomButton(zoom) {
      const label = zoom === 'fit' ? 'Fit' : `${100 * zoom} %`;
      return page.dom.button(label, () => this.setZoom(zoom), {
        'aria-pressed': String(zoom === 'fit'),
      });
    }

    // Shows another picture over the original, where it is.
    replaceAfter({ picture, label, alt }) {
      const image = this.after.querySelector('img');
      image.src = picture.view ?? picture.thumbnail;
      image.alt = alt;
      this.stage.querySelector('.corner-after').textContent = label;
      this.labels[1] = label;
      this.setSplit(this.split);
    }

    // The original is shown left of `percent` of the stage.
    setSplit(percent) {
      this.split = percent;
      this.range.value = String(percent);
      this.range.setAttribute(
        'aria-valuetext',
        `${percent} % ${this.labels[0]}, ${100 - percent} % ${this.labels[1]}`,
      );
      if (this.isPair) this.before.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
      this.stage.style.setProperty('--split', `${percent}%`);
    }

    // All of the one, then all of the other.
    flip() {
      if (this.isPair) this.setSplit(this.split > 0 ? 0 : 100);
    }

    setZoom(zoom) {
      this.zoom = zoom;
      this.zoomButtons.forEach((button, at) =>
        button.setAttribute('aria-pressed', String(ZOOMS[at] === zoom)),
      );
      this.stage.classList.toggle('zoomed', zoom !== 'fit');
      this.stage.classList.toggle('enlarged', zoom === '2');
      this.layOut();
    }

    toggleZoom() {
      this.setZoom(this.zoom === 'fit' ? '1' : 'fit');
    }

    toggleZoomAt(event) {
      const box = this.stage.getBoundingClientRect();
      const shown = this.factor();
      this.centre = [
        (event.clientX - box.left - this.offset[0]) / (this.width * shown),
        (event.clientY - box.top - this.offset[1]) / (this.height * shown),
      ];
      this.toggleZoom();
    }

    // CSS pixels for one of the picture. At 100 % one pixel of it is one of the screen.
    factor() {
      const { clientWidth, clientHeight } = this.stage;
      if (this.zoom === 'fit')
        return Math.min(clientWidth / this.width, clientHeight / this.height);
      return Number(this.zoom) / window.devicePixelRatio;
    }

    // Moves the pictures by CSS pixels.
    pan(right, down) {
      const shown = this.factor();
      this.centre = [
        this.centre[0] - right / (this.width * shown),
        this.centre[1] - down / (this.height * shown),
      ];
      this.layOut();
    }

    layOut() {
      const { clientWidth, clientHeight } = this.stage;
      if (!clientWidth) return;
      const shown = this.factor();
      const [x, kx] = placed(clientWidth, this.width * shown, this.centre[0]);
      const [y, ky] = placed(clientHeight, this.height * shown, this.centre[1]);
      this.offset = [x, y];
      this.centre = [kx, ky];
      for (const layer of [this.before, this.after]) {
        const image = layer?.querySelector('img');
        if (!image) continue;
        image.style.width = `${this.width * shown}px`;
        image.style.height = `${this.height * shown}px`;
        image.style.transform = `translate(${x}px, ${y}px)`;
      }
      const percent = 100 * shown * window.devicePixelRatio * this.scale;
      this.zoomText.textContent = `${page.format.number(percent, 0)} % of the photo’s pixels`;
    }

    // The pointer moves the slider; in a zoomed picture it moves that, and only the handle the slider.
    grab(event) {
      if (event.target === this.range || event.button > 0) return;
      const isPan = this.zoom !== 'fit';
      let last = [event.clientX, event.clientY];
      const move = (moved) => {
        if (isPan) this.pan(moved.clientX - last[0], moved.clientY - last[1]);
        else if (this.isPair) this.setSplit(this.shareAt(moved.clientX));
        last = [moved.clientX, moved.clientY];
      };
      const release = () => {
        this.stage.removeEventListener('pointermove', move);
        this.stage.classList.remove('panning');
      };
      this.stage.setPointerCapture(event.pointerId);
      this.stage.classList.toggle('panning', isPan);
      this.stage.addEventListener('pointermove', move);
      for (const end of ['pointerup', 'pointercancel'])
        this.stage.addEventListener(end, release, { once: true });
      move(event);
    }

    shareAt(x) {
      const box = this.stage.getBoundingClientRect();
      return Math.round(Math.min(100, Math.max(0, (100 * (x - box.left)) / box.width)));
    }

    // Whether a key was one of panning: Shift and an arrow.
    panByKey(event) {
      const ways = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const way = ways[event.key];
      if (!way || !event.shiftKey || this.zoom === 'fit') return false;
      this.pan(way[0] * STEP_PIXELS, way[1] * STEP_PIXELS);
      return true;
    }

    close() {
      this.observer.disconnect();
    }
  }

  function layerOf(kind, shown) {
    if (!shown) return null;
    const image = element('img', {
      src: shown.picture.view ?? shown.picture.thumbnail,
      alt: shown.alt,
      draggable: 'false',
      decoding: 'async',
    });
    return element('div', { class: `layer layer-${kind}` }, image);
  }

  // Width and height of the file that is shown, and its pixels for one of the photo.
  function sizeOf({ view, width, height, scale }) {
    const share = view ? scale : Math.min(1, 320 / Math.max(width, height));
    return [Math.round(width * share), Math.round(height * share), share];
  }

  // Where pictures of a length begin in a stage, and which share of them is then in its middle.
  function placed(stage, length, centre) {
    if (length <= stage) return [(stage - length) / 2, 0.5];
    const start = Math.min(0, Math.max(stage - length, stage / 2 - centre * length));
    return [start, (stage / 2 - start) / length];
  }

  page.Compare = Compare;
})(window.restoreArchive.page);
