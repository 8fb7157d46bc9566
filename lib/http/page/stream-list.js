import { address, get } from './api.js';
import { el, number } from './dom.js';
import { hashOf } from './route.js';
import { PollingElement } from './polling.js';

const PAGE_SIZE = 200;

/** The streams, to choose one from; they are searched by how their names begin. */
class StreamList extends PollingElement {
  #search = el('input', {
    type: 'search',
    id: 'stream-search',
    placeholder: 'begins with …',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  #list = el('ul', { class: 'streams' });
  #rest = el('p', { class: 'empty' });
  #selected = '';
  #count = PAGE_SIZE;

  connectedCallback() {
    if (!this.firstChild) {
      this.#search.addEventListener('input', () => {
        this.#count = PAGE_SIZE;
        this.refresh();
      });
      this.append(el('label', { for: 'stream-search' }, 'Streams'), this.#search, this.#list, this.#rest);
    }
    super.connectedCallback();
  }

  /** Marks the stream that is shown; none is empty. */
  select(stream) {
    this.#selected = stream;
    this.#mark();
  }

  async load() {
    const prefix = this.#search.value;
    const { streams, next } = await get(address('streams', { prefix, limit: this.#count }));
    return { streams, hasMore: next !== null, prefix };
  }

  render({ streams, hasMore, prefix }) {
    // A later search may have been answered earlier.
    if (prefix !== this.#search.value) return;
    this.#show(streams);
    const more = () => {
      this.#count = Math.min(this.#count + PAGE_SIZE, 1_000);
      this.refresh();
    };
    this.#rest.replaceChildren(
      ...(streams.length === 0 ? [prefix === '' ? 'There are no streams yet.' : 'No stream begins like this.'] : []),
      ...(hasMore && this.#count < 1_000 ? [el('button', { type: 'button', onclick: more }, 'More streams')] : []),
      ...(hasMore && this.#count >= 1_000 ? ['There are more: search for them.'] : []),
    );
  }

  /** Keeps the items that stay, so that the focus stays where it is. */
  #show(streams) {
    const known = new Map([...this.#list.children].map((item) => [item.stream, item]));
    const all = streams.map(({ streamId, eventCount }) => {
      const item = known.get(streamId) ?? itemOf(streamId, hashOf('events', { stream: streamId }), streamId);
      item.querySelector('.count').textContent = number(eventCount);
      return item;
    });
    const everything = known.get('') ?? itemOf('', hashOf('events'), 'All streams');
    const items = [everything, ...all];
    if (
      items.some((item, index) => this.#list.children[index] !== item) ||
      this.#list.children.length !== items.length
    ) {
      const focused = document.activeElement;
      this.#list.replaceChildren(...items);
      if (this.contains(focused)) focused.focus();
    }
    this.#mark();
  }

  #mark() {
    for (const item of this.#list.children) {
      const link = item.firstChild;
      if (item.stream === this.#selected) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }
}

function itemOf(stream, href, name) {
  const item = el(
    'li',
    {},
    el('a', { href, title: name }, el('span', { class: 'name' }, name), el('span', { class: 'count' })),
  );
  item.stream = stream;
  return item;
}

customElements.define('stream-list', StreamList);
