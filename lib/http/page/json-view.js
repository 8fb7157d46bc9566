import { el } from './dom.js';

/** Longer texts would make the page slow. */
const MOST_CHARACTERS = 200_000;

/** A value as indented JSON, with its parts told apart by colour. */
export function jsonView(value) {
  const parts = [];
  let length = 0;
  const add = (text, kind) => {
    length += text.length;
    if (length <= MOST_CHARACTERS) parts.push(kind ? el('span', { class: `json-${kind}` }, text) : text);
  };
  write(value, '', add);
  if (length > MOST_CHARACTERS) parts.push(`\n… ${length - MOST_CHARACTERS} characters more`);
  return el('pre', { class: 'json', tabindex: '0' }, el('code', {}, ...parts));
}

function write(value, indent, add) {
  if (typeof value !== 'object' || value === null)
    return add(Object.is(value, -0) ? '-0' : JSON.stringify(value), value === null ? 'null' : typeof value);
  const isArray = Array.isArray(value);
  const members = Object.entries(value);
  const [open, close] = isArray ? '[]' : '{}';
  if (members.length === 0) return add(open + close);
  add(open);
  members.forEach(([name, member], index) => {
    add(`${index > 0 ? ',' : ''}\n${indent}  `);
    if (!isArray) {
      add(JSON.stringify(name), 'key');
      add(': ');
    }
    write(member, `${indent}  `, add);
  });
  add(`\n${indent}${close}`);
}
