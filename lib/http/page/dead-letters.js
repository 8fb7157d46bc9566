import { address, get, post } from './api.js';
import { el, number, say, time } from './dom.js';
import { jsonView } from './json-view.js';
import { PollingElement } from './polling.js';
import { hashOf } from './route.js';

/** The events that handlers could not deal with, and what can be done about them. */
class DeadLetters extends PollingElement {
  #isAsking = false;
  #shown = '';
  #after = '';

  async load() {
    const query = { after: this.#after };
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
    const content =
      deadLetters.length === 0
        ? [
            el(
              'p',
              { class: 'empty' },
              this.#after === ''
                ? 'None: handlers have dealt with every event, or are still trying.'
                : 'None on this page.',
            ),
          ]
        : deadLetters.map((letter) => this.#cardOf(letter, readOnly));
    const pages = [];
    if (this.#after !== '') pages.push(this.#pageButton('The oldest', ''));
    if (next !== null) pages.push(this.#pageButton('Next page', new URLSearchParams(next.slice(1)).get('after')));
    if (pages.length > 0) content.push(el('p', { class: 'buttons' }, ...pages));
    this.replaceChildren(el('h2', {}, 'Dead letters'), ...content);
  }

  #pageButton(text, after) {
    const show = async () => {
      this.#after = after;
      this.#shown = '';
      await this.refresh();
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
    const retry = () => this.#do(() => post(address(`${path}/retry`)), `${subscription} has dealt with ${name}.`);
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

  async #do(act, done) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    for (const button of this.querySelectorAll('button')) button.disabled = true;
    try {
      await act();
      say(done);
    } catch (error) {
      say(error.message, true);
    }
    this.#isAsking = false;
    this.#shown = '';
    await this.refresh();
    document.getElementById('main').focus();
  }
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
