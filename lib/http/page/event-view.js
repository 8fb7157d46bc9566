import './event-chart.js';
import './event-list.js';
import './stream-list.js';
import { address, get } from './api.js';
import { el, labelled, number, say } from './dom.js';
import { go } from './route.js';

const PAGE_SIZE = 50;
/** From how many events the chart is made. */
const CHART_PAGES = 5;
const CHART_PAGE_SIZE = 1_000;
/** How long to wait before it follows again what the browser has given up, in milliseconds. */
const RETRY_MS = 2_000;

/** The events of a stream or of all: the newest ones and what comes, or those of a range of times. */
class EventView extends HTMLElement {
  #streams = el('stream-list');
  #title = el('h2');
  #chart = el('event-chart');
  #list = el('event-list');
  #older = el('button', { type: 'button', hidden: true });
  #live = el('button', { type: 'button', 'aria-pressed': 'true' }, 'Live');
  #form = rangeForm();
  #query = {};
  /** Ends what is under way for a view that is not shown any more. */
  #shown = new AbortController();
  #source;
  /** The newest event that is shown. */
  #newest;
  #times = [];
  #redraw;

  connectedCallback() {
    if (!this.firstChild) this.#build();
  }

  disconnectedCallback() {
    this.#shown.abort();
    this.#unfollow();
  }

  /** @param query `stream`, `type`, `from` and `to`, each of which may be missing */
  async show(query) {
    this.#query = query;
    this.#shown.abort();
    this.#shown = new AbortController();
    const { signal } = this.#shown;
    const { stream = '', from, to } = query;
    const isRange = from !== undefined || to !== undefined;
    this.#streams.select(stream);
    this.#title.textContent = stream || 'All streams';
    this.#form.fill(query);
    this.#list.clear(stream !== '');
    this.#older.hidden = true;
    this.#live.hidden = isRange;
    this.#times = [];
    this.#unfollow();
    const order = isRange ? { from, to } : { direction: 'backward' };
    const { type } = query;
    const first = address('events', { stream, type, ...order, limit: PAGE_SIZE });
    try {
      const newest = await this.#addPage(first, signal);
      // Goes on after what was loaded, so nothing is missed in between.
      if (!isRange && !signal.aborted) this.#follow(newest);
      await this.#drawChart(address('events', { stream, type, ...order, limit: CHART_PAGE_SIZE }), isRange, signal);
    } catch (error) {
      if (!signal.aborted) say(error.message, true);
    }
  }

  #build() {
    this.#live.addEventListener('click', () => (this.#source ? this.#unfollow() : this.show(this.#query)));
    this.#chart.addEventListener('range', ({ detail: { from, to } }) => {
      this.#change({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    });
    this.#form.addEventListener('change', () => this.#change(this.#form.values()));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#change(this.#form.values());
    });
    this.#form.addEventListener('reset', () => this.#change({ type: undefined, from: undefined, to: undefined }));
    const head = el('div', { class: 'view-head' }, this.#title, this.#live);
    const content = el(
      'section',
      { class: 'content', 'aria-label': 'Events' },
      head,
      this.#form,
      this.#chart,
      this.#list,
    );
    content.append(el('p', { class: 'buttons' }, this.#older));
    this.append(el('aside', { 'aria-label': 'Streams' }, this.#streams), content);
  }

  #change(changes) {
    go('events', { ...this.#query, ...changes });
  }

  /** @returns the first event of the page, if there is one */
  async #addPage(url, signal) {
    const { events, next } = await get(url, signal);
    if (signal.aborted) return undefined;
    this.#list.addBelow(events);
    if (this.#list.length === 0) say('There are no events here.');
    else say('');
    this.#older.hidden = next === null;
    this.#older.textContent = this.#query.from || this.#query.to ? 'Later events' : 'Older events';
    this.#older.onclick = () => {
      this.#older.hidden = true;
      this.#addPage(new URL(next, url), signal).catch((error) => say(error.message, true));
    };
    return events[0];
  }

  async #drawChart(first, isRange, signal) {
    let url = first;
    for (let page = 0; page < CHART_PAGES && url; page++) {
      const { events, next } = await get(url, signal);
      if (signal.aborted) return;
      this.#times.push(...events.map(({ timestamp }) => Date.parse(timestamp)));
      url = next === null ? undefined : new URL(next, url);
    }
    const which =
      url === undefined ? 'All events' : `The ${isRange ? 'first' : 'newest'} ${number(this.#times.length)} events`;
    this.#chart.show(this.#times, which);
  }

  /** Shows events as they are appended, after the newest one shown; `newest` is undefined when there is none. */
  #follow(newest) {
    this.#unfollow();
    this.#newest = newest;
    this.#live.setAttribute('aria-pressed', 'true');
    this.#live.className = 'live connecting';
    const { stream, type } = this.#query;
    const after = newest?.globalPosition ?? 0;
    this.#source = new EventSource(address('events', { stream, type, after }));
    this.#source.onopen = () => (this.#live.className = 'live following');
    this.#source.onmessage = ({ data }) => this.#add(JSON.parse(data));
    // What is shown is of another log.
    this.#source.addEventListener('reset', () => this.show(this.#query));
    this.#source.onerror = ({ target }) => {
      this.#live.className = 'live connecting';
      // A browser gives up after any answer but 200, such as the 502 of a proxy while the application starts anew.
      if (target.readyState === EventSource.CLOSED) this.#followAgain(target);
    };
  }

  /** Tries until there is an answer. @param source which the browser has given up */
  #followAgain(source) {
    setTimeout(async () => {
      if (source !== this.#source) return;
      try {
        const isSame = await this.#isInLog(this.#newest);
        if (source !== this.#source) return;
        if (isSame) this.#follow(this.#newest);
        else await this.show(this.#query);
      } catch {
        this.#followAgain(source);
      }
    }, RETRY_MS);
  }

  /** Whether the log goes on from an event: it may have been lost with the application, or put back. */
  async #isInLog(event) {
    if (event === undefined) return true;
    const { stream, type } = this.#query;
    const { events } = await get(address('events', { stream, type, after: event.globalPosition - 1, limit: 1 }));
    return events[0]?.id === event.id;
  }

  #unfollow() {
    this.#source?.close();
    this.#source = undefined;
    this.#live.setAttribute('aria-pressed', 'false');
    this.#live.className = 'live';
  }

  #add(event) {
    this.#newest = event;
    this.#list.addOnTop(event);
    this.#times.push(Date.parse(event.timestamp));
    this.#redraw ??= setTimeout(() => {
      this.#redraw = undefined;
      this.#chart.show(this.#times, 'The newest events');
    }, 500);
  }
}

/** Which type, and which times: what the chart lets one choose with a mouse, here by keyboard. */
function rangeForm() {
  const type = el('input', {
    id: 'type',
    name: 'type',
    placeholder: 'order.*',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const [from, to] = ['from', 'to'].map((name) => el('input', { id: name, name, type: 'datetime-local', step: '1' }));
  const reset = el('button', { type: 'reset' }, 'Clear');
  const form = el(
    'form',
    { class: 'filter' },
    labelled('Type', type),
    labelled('From', from),
    labelled('To', to),
    reset,
  );
  let shown = {};
  form.fill = (query) => {
    shown = query;
    type.value = query.type ?? '';
    from.value = toLocal(query.from);
    to.value = toLocal(query.to);
    reset.hidden = !query.type && !query.from && !query.to;
  };
  // An input has whole seconds: what was not changed stays as exact as it was.
  const valueOf = ({ name, value }) => (value === toLocal(shown[name]) ? shown[name] : new Date(value).toISOString());
  form.values = () => ({
    type: type.value || undefined,
    from: from.value ? valueOf(from) : undefined,
    to: to.value ? valueOf(to) : undefined,
  });
  return form;
}

/** As an input for a local time takes it. */
function toLocal(iso) {
  const date = new Date(iso ?? NaN);
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

customElements.define('event-view', EventView);
