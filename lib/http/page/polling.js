import { say } from './dom.js';

const PERIOD_MS = 2_000;

/**
 * An element that shows something which changes by itself: it asks again and again, while it is in a page that is seen.
 */
export class PollingElement extends HTMLElement {
  #timer;

  connectedCallback() {
    this.refresh();
    this.#timer = setInterval(() => document.visibilityState === 'visible' && this.refresh(), PERIOD_MS);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  /** Asks, and shows the answer. What fails is said, until it works again. */
  async refresh() {
    try {
      const answer = await this.load();
      if (!this.isConnected) return;
      if (this.hasFailed) say('');
      this.hasFailed = false;
      this.render(answer);
    } catch (error) {
      this.hasFailed = true;
      say(error.message, true);
    }
  }
}
