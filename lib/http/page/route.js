/** What is shown, as it stands in the address: so it can be kept, sent, and gone back to. */
export function route() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { view: path || 'events', query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view. */
export function hashOf(view, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given).toString();
  return `#/${view}${text && `?${text}`}`;
}

/** Shows a view. */
export function go(view, query) {
  location.hash = hashOf(view, query);
}
