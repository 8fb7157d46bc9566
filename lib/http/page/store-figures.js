import { address, get } from './api.js';
import { bytes, el, number } from './dom.js';
import { PollingElement } from './polling.js';

/** The figures of the whole store, in the head of the page. */
class StoreFigures extends PollingElement {
  load() {
    return get(address('stats'));
  }

  render(stats) {
    document.title = `${stats.store} · streams`;
    document.getElementById('store-name').textContent = stats.store;
    const count = document.getElementById('dead-letter-count');
    count.hidden = stats.deadLetters === 0;
    count.textContent = number(stats.deadLetters);
    const figures = [
      ['events', number(stats.totalEvents)],
      ['streams', number(stats.totalStreams)],
      ['appended', number(stats.eventsAppended)],
      ['in memory', bytes(stats.memoryUsageBytes)],
      ['live clients', number(stats.liveClients)],
    ];
    const pairs = figures.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
    this.replaceChildren(el('dl', {}, ...pairs));
  }
}

customElements.define('store-figures', StoreFigures);
