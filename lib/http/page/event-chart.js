import { dateTime, el, number, tickOf } from './dom.js';

/* global uPlot */

const BARS = 80;
const HEIGHT = 130;

/** How many events there were when, as bars. Dragging over them chooses a range of times: the event `range`. */
class EventChart extends HTMLElement {
  #plot;
  #caption = el('figcaption', { class: 'quiet' });
  #place = el('div', { class: 'plot' });
  #observer = new ResizeObserver(([{ contentRect }]) =>
    this.#plot?.setSize({ width: contentRect.width, height: HEIGHT }),
  );
  #scheme = matchMedia('(prefers-color-scheme: dark)');
  #times = [];
  #range = [0, 1];
  #what = '';

  connectedCallback() {
    if (!this.firstChild) this.append(el('figure', {}, this.#place, this.#caption));
    this.#observer.observe(this.#place);
    this.#scheme.addEventListener('change', this.#redraw);
  }

  disconnectedCallback() {
    this.#observer.disconnect();
    this.#scheme.removeEventListener('change', this.#redraw);
    this.#destroy();
  }

  /**
   * @param {number[]} times in milliseconds, in any order
   * @param {string} what the events are, in words
   */
  show(times, what) {
    this.#times = times;
    this.#what = what;
    this.#draw();
  }

  #redraw = () => {
    this.#destroy();
    this.#draw();
  };

  #draw() {
    const times = this.#times;
    this.hidden = times.length === 0;
    if (this.hidden) return;
    const from = times.reduce((least, at) => Math.min(least, at), Infinity);
    const to = times.reduce((most, at) => Math.max(most, at), -Infinity);
    const width = Math.max(1, (to - from) / BARS);
    const counts = new Array(BARS).fill(0);
    for (const at of times) counts[Math.min(BARS - 1, Math.floor((at - from) / width))]++;
    // uPlot counts in seconds.
    this.#range = [from / 1_000, (from + width * BARS) / 1_000];
    const starts = counts.map((_, bar) => (from + (bar + 0.5) * width) / 1_000);
    const text = `${this.#what}: ${number(times.length)} from ${dateTime(from)} to ${dateTime(to)}.`;
    this.#caption.textContent = text;
    this.#place.setAttribute('role', 'img');
    this.#place.setAttribute('aria-label', `${text} The busiest moment has ${number(Math.max(...counts))} events.`);
    if (this.#plot) this.#plot.setData([starts, counts]);
    else this.#plot = new uPlot(this.#options(), [starts, counts], this.#place);
  }

  #options() {
    const style = getComputedStyle(this);
    const [bar, quiet, line] = ['--bar', '--quiet', '--line'].map((name) => style.getPropertyValue(name).trim());
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    return {
      width: this.#place.clientWidth || 600,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { range: () => this.#range }, y: { range: (_, __, most) => [0, Math.max(1, most)] } },
      axes: [
        {
          ...axis,
          size: 26,
          gap: 8,
          space: 90,
          values: (_, times, __, ___, step) => times.map((at) => tickOf(at * 1_000, step)),
        },
        { ...axis, size: 40, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000] },
      ],
      padding: [8, 30, 0, 0],
      series: [
        {},
        { fill: bar, stroke: bar, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.85, 60] }) },
      ],
      hooks: { setSelect: [(plot) => this.#choose(plot)] },
    };
  }

  #choose(plot) {
    const { left, width } = plot.select;
    if (width < 3) return;
    const [from, to] = [left, left + width].map((x) => Math.round(plot.posToVal(x, 'x') * 1_000));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.dispatchEvent(new CustomEvent('range', { detail: { from, to } }));
  }

  #destroy() {
    this.#plot?.destroy();
    this.#plot = undefined;
  }
}

customElements.define('event-chart', EventChart);
