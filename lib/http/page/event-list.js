import { el, time } from './dom.js';
import { jsonView } from './json-view.js';
import { hashOf } from './route.js';

/** More would make the page slow. */
const MOST_SHOWN = 1_000;

/** Events, each of which unfolds to its JSON. */
class EventList extends HTMLElement {
  #list = el('ol', { class: 'events' });

  connectedCallback() {
    if (!this.firstChild) this.append(this.#list);
  }

  /** @param isOneStream whether all events are of one stream, whose name need not be repeated */
  clear(isOneStream) {
    this.isOneStream = isOneStream;
    this.#list.replaceChildren();
  }

  get length() {
    return this.#list.children.length;
  }

  /** Adds events below. */
  addBelow(events) {
    this.#list.append(...events.map((event) => this.#itemOf(event)));
  }

  /** Adds an event on top, and lets the lowest go when there are too many. */
  addOnTop(event) {
    const item = this.#itemOf(event);
    item.classList.add('fresh');
    this.#list.prepend(item);
    if (this.length > MOST_SHOWN) this.#list.lastChild.remove();
  }

  #itemOf(event) {
    const details = el(
      'details',
      {},
      el(
        'summary',
        {},
        el('span', { class: 'position' }, `#${this.isOneStream ? event.position : event.globalPosition}`),
        el('span', { class: 'type' }, event.type),
        el('span', { class: 'stream' }, this.isOneStream ? '' : event.streamId),
        time(event.timestamp),
      ),
    );
    // Most events are never unfolded.
    details.addEventListener('toggle', () => details.append(...this.#contentOf(event)), { once: true });
    return el('li', {}, details);
  }

  #contentOf({ data, metadata, streamId, ...event }) {
    const facts = [
      ['stream', el('a', { href: hashOf('events', { stream: streamId }) }, streamId)],
      ['position', String(event.position)],
      ['global position', String(event.globalPosition)],
      ['id', event.id],
      ['happened', event.timestamp],
      ['recorded', event.recordedAt],
    ].map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
    const parts = [el('dl', { class: 'facts' }, ...facts), jsonView(data)];
    if (Object.keys(metadata).length > 0) parts.push(el('h4', {}, 'Metadata'), jsonView(metadata));
    return parts;
  }
}

customElements.define('event-list', EventList);
