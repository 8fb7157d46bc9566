/**
 * Makes an element.
 *
 * Whatever comes from the store gets into the page through here, as a text or as the value of an attribute that runs
 * nothing: never as HTML, and never as an address.
 *
 * @param {Record<string, unknown>} attributes those that begin with `on` are listeners; undefined and false are left out
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (attribute.startsWith('on')) element.addEventListener(attribute.slice(2), value);
    else element.setAttribute(attribute, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** An input with a name above it. */
export function labelled(text, input) {
  return el('label', {}, el('span', {}, text), input);
}

const NUMBER = new Intl.NumberFormat();
const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** A number, for people. */
export function number(value) {
  return NUMBER.format(value);
}

/** A number of bytes, for people. */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let size = value;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function dateTime(date) {
  return DATE_TIME.format(date);
}

const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
const MINUTE = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

/** A point in time, as short as steps of so many seconds between such points allow. */
export function tickOf(at, step) {
  const date = new Date(at);
  const isMidnight = date.getHours() + date.getMinutes() + date.getSeconds() === 0;
  if (step >= 86_400 || (isMidnight && step >= 3_600)) return DAY.format(date);
  return (step < 60 ? TIME : MINUTE).format(date);
}

/** A point in time, short when it is today. */
export function time(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return el('time', { datetime: iso, title: iso }, (isToday ? TIME : DATE_TIME).format(date));
}

/** Says something to everybody, also to those who listen to the page. */
export function say(text, isError = false) {
  const notice = document.getElementById('notice');
  notice.textContent = text;
  notice.classList.toggle('error', isError);
}
