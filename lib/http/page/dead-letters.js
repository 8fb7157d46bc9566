import { address, get, post, progressOf } from './api.js';
import { el, labelled, number, say, time } from './dom.js';
import { jsonView } from './json-view.js';
import { PollingElement } from './polling.js';
import { hashOf } from './route.js';

/** The events that handlers could not handle, and what can be done about them. */
class DeadLetters extends PollingElement {
  #isAsking = false;
  #shown = '';
  #after = '';
  #filter = filterForm();
  #bulk = el('p', { class: 'buttons', hidden: true });
  #progress = el('progress', { 'aria-label': 'How many were handled', hidden: true });
  #list = el('div');

  connectedCallback() {
    if (!this.firstChild) {
      this.#filter.addEventListener('change', () => this.#showFrom(''));
      this.#filter.addEventListener('reset', () => setTimeout(() => this.#showFrom('')));
      this.#filter.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#showFrom('');
      });
      this.append(el('h2', {}, 'Dead letters'), this.#filter, this.#bulk, this.#progress, this.#list);
    }
    super.connectedCallback();
  }

  async load() {
    const query = { ...this.#filter.values(), after: this.#after };
    const [{ deadLetters, next }, { readOnly }] = await Promise.all([
      get(address('dead-letters', query)),
      get(address('stats')),
    ]);
    return { deadLetters, next, readOnly };
  }

  render(answer) {
    // What is unfolded or has the focus stays so while nothing has changed.
    const text = JSON.stringify(answer);
    if (text === this.#shown || this.#isAsking) return;
    this.#shown = text;
    const { deadLetters, next, readOnly } = answer;
    const isEmpty = deadLetters.length === 0;
    const content = isEmpty
      ? [el('p', { class: 'empty' }, this.#nothing)]
      : deadLetters.map((letter) => this.#cardOf(letter, readOnly));
    const pages = [];
    if (this.#after !== '') pages.push(this.#pageButton('The oldest', ''));
    if (next !== null) pages.push(this.#pageButton('Next page', new URLSearchParams(next.slice(1)).get('after')));
    if (pages.length > 0) content.push(el('p', { class: 'buttons' }, ...pages));
    this.#list.replaceChildren(...content);
    this.#bulk.hidden = readOnly || isEmpty;
    this.#bulk.replaceChildren(...(this.#bulk.hidden ? [] : this.#bulkButtons()));
  }

  get #isFiltered() {
    return Object.values(this.#filter.values()).some(Boolean);
  }

  get #nothing() {
    if (this.#isFiltered) return 'None that matches.';
    if (this.#after !== '') return 'None on this page.';
    return 'None: handlers have handled every event, or are still trying.';
  }

  async #showFrom(after) {
    this.#after = after;
    this.#shown = '';
    await this.refresh();
  }

  #bulkButtons() {
    const which = this.#isFiltered ? 'all that match' : 'all';
    const retry = () => this.#doWithAll('retry', `Hand ${which} to their handlers once more?`, 'Retry', 'were handled');
    const discard = () =>
      this.#doWithAll(
        'discard',
        `Give ${which} up? Their handlers will not get them again.`,
        'Discard',
        'were given up',
      );
    return [
      el('button', { type: 'button', onclick: retry }, `Retry ${which}`),
      el('button', { type: 'button', onclick: discard }, `Discard ${which}`),
    ];
  }

  async #doWithAll(act, question, verb, done) {
    const url = address(`dead-letters/${act}`, this.#filter.values());
    if (!(await confirmed(question, verb))) return;
    await this.#do(async () => {
      let end;
      this.#progress.hidden = false;
      this.#progress.removeAttribute('value');
      try {
        for await (end of progressOf(url)) {
          this.#progress.max = end.total;
          this.#progress.value = end.done + end.failed + end.skipped;
        }
      } finally {
        this.#progress.hidden = true;
      }
      const { total, failed, skipped } = end;
      const rest = [failed > 0 && `${number(failed)} failed again`, skipped > 0 && `${number(skipped)} were left`];
      return [`${number(end.done)} of ${number(total)} ${done}`, ...rest.filter(Boolean)].join(', ') + '.';
    });
  }

  #pageButton(text, after) {
    const show = async () => {
      await this.#showFrom(after);
      document.getElementById('main').focus();
    };
    return el('button', { type: 'button', onclick: show }, text);
  }

  #cardOf(letter, readOnly) {
    const { event, error } = letter;
    const title = el('h3', {}, event.type, ' ', el('span', { class: 'quiet' }, `at ${event.position} in `));
    title.append(el('a', { href: hashOf('events', { stream: event.streamId }) }, event.streamId));
    const facts = el(
      'p',
      { class: 'quiet' },
      `${letter.subscription} gave up after ${number(letter.attempts)} attempt${letter.attempts === 1 ? '' : 's'}, `,
    );
    facts.append(time(letter.failedAt), letter.isParked ? '. Later events of the stream wait behind it.' : '.');
    const card = el(
      'article',
      { class: 'card' },
      title,
      facts,
      el('p', { class: 'message' }, `${error.name}: ${error.message}`),
    );
    card.append(el('details', {}, el('summary', {}, 'The event'), jsonView(event)));
    if (!readOnly) card.append(this.#buttonsOf(letter));
    return card;
  }

  #buttonsOf({ id, event, subscription }) {
    const name = `${event.type} at ${event.position} in ${event.streamId}`;
    const path = `dead-letters/${encodeURIComponent(id)}`;
    const retry = () => this.#do(() => post(address(`${path}/retry`)), `${subscription} has handled ${name}.`);
    const discard = async () => {
      if (await confirmed(`Give up ${name}? ${subscription} will not get it again.`, 'Discard')) {
        await this.#do(() => post(address(path), 'DELETE'), `${name} was given up.`);
      }
    };
    return el(
      'p',
      { class: 'buttons' },
      el('button', { type: 'button', class: 'wanted', onclick: retry, 'aria-label': `Retry ${name}` }, 'Retry'),
      el('button', { type: 'button', onclick: discard, 'aria-label': `Discard ${name}` }, 'Discard'),
    );
  }

  /** @param act which may give what there is to say of it @param done what else is said */
  async #do(act, done) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    // They are made anew when the answer is there.
    for (const button of this.querySelectorAll('.buttons button')) button.disabled = true;
    try {
      say((await act()) ?? done);
    } catch (error) {
      say(error.message, true);
    }
    this.#isAsking = false;
    this.#shown = '';
    await this.refresh();
    document.getElementById('main').focus();
  }
}

/** Which of them are shown. */
function filterForm() {
  const [subscription, error, stream] = ['subscription', 'error', 'stream'].map((name) =>
    el('input', { id: `letters-${name}`, name, autocomplete: 'off', spellcheck: 'false' }),
  );
  const clear = el('button', { type: 'reset', hidden: true }, 'Clear');
  const form = el(
    'form',
    { class: 'filter', 'aria-label': 'Which dead letters' },
    labelled('Handler', subscription),
    labelled('Error', error),
    labelled('Stream', stream),
    clear,
  );
  form.values = () => ({ subscription: subscription.value, error: error.value, stream: stream.value });
  const update = () => (clear.hidden = !Object.values(form.values()).some(Boolean));
  form.addEventListener('input', update);
  form.addEventListener('reset', () => setTimeout(update));
  return form;
}

/** Asks whether something is really meant. */
function confirmed(question, verb) {
  return new Promise((resolve) => {
    const dialog = el('dialog', { 'aria-label': question }, el('p', {}, question));
    const close = (answer) => () => dialog.close(answer);
    dialog.append(
      el(
        'p',
        { class: 'buttons' },
        el('button', { type: 'button', class: 'primary', onclick: close('yes') }, verb),
        el('button', { type: 'button', autofocus: true, onclick: close('no') }, 'Cancel'),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

customElements.define('dead-letters', DeadLetters);
