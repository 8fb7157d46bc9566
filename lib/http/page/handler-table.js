import { address, get } from './api.js';
import { el, number } from './dom.js';
import { PollingElement } from './polling.js';

const STATES = {
  live: 'has handled everything',
  'catching-up': 'is handling history',
  paused: 'was paused',
  stopped: 'has stopped',
};

/** The handlers of the application, and how they are doing. */
class HandlerTable extends PollingElement {
  /** Stays, and with it the focus of whoever scrolls it with the arrow keys. */
  #card = el('div', { class: 'card scroll', role: 'region', 'aria-label': 'Handlers', tabindex: '0' });

  load() {
    return get(address('subscriptions'));
  }

  render({ subscriptions }) {
    if (subscriptions.length === 0) {
      this.replaceChildren(
        el('h2', {}, 'Handlers'),
        el('p', { class: 'empty' }, 'This application has no handlers of this store.'),
      );
      return;
    }
    const columns = ['Handler', 'State', 'Position', 'Lag', 'Failures', 'Last error'];
    const head = el('tr', {}, ...columns.map((column) => el('th', { scope: 'col' }, column)));
    const table = el('table', {}, el('thead', {}, head), el('tbody', {}, ...subscriptions.map(rowOf)));
    this.#card.replaceChildren(table);
    if (!this.#card.isConnected) this.replaceChildren(el('h2', {}, 'Handlers'), this.#card);
  }
}

function rowOf({ name, isDurable, state, position, lag, failures, lastError }) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name, ' ', el('span', { class: 'quiet' }, isDurable ? 'durable' : 'live only')),
    el('td', {}, el('span', { class: `state state-${STATES[state] ? state : 'other'}`, title: STATES[state] }, state)),
    el('td', { class: 'number' }, number(position)),
    el('td', { class: lag > 0 ? 'number strong' : 'number' }, number(lag)),
    el('td', { class: failures > 0 ? 'number strong' : 'number' }, number(failures)),
    el('td', { class: 'message' }, lastError ? `${lastError.name}: ${lastError.message}` : ''),
  );
}

customElements.define('handler-table', HandlerTable);
