import './dead-letters.js';
import './event-view.js';
import './handler-table.js';
import './store-figures.js';
import { el, say } from './dom.js';
import { route } from './route.js';

const VIEWS = { events: 'event-view', handlers: 'handler-table', 'dead-letters': 'dead-letters' };

let shown;

function show() {
  const { view, query } = route();
  const name = VIEWS[view] ?? VIEWS.events;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#/${view}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (shown?.localName !== name) {
    say('');
    shown = el(name);
    document.getElementById('main').replaceChildren(shown);
  }
  shown.show?.(query);
}

addEventListener('hashchange', show);
show();
