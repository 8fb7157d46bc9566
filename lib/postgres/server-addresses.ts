import { ValidationError } from '../store/values/errors.js';
import { shown } from '../store/values/names.js';

/** One server of those that a store may find its primary among. */
export interface ServerAddress {
  /** For people: without user and password. */
  readonly name: string;
  readonly connectionString: string;
}

const CONNECTION_FIELD = 'postgresEngine.connectionString';

/** What libpq calls the servers that can be worked with; all but these are for those who only read. */
const PRIMARY_WORDS = ['any', 'primary', 'read-write'];

/**
 * The addresses in a URL with one or several hosts, as libpq takes it: `postgres://user:password@a:5432,b:5433/database`, or
 * `?host=a,b&port=5432,5433`.
 *
 * @param hosts stand in place of those of the URL, each with or without its port
 * @throws {ValidationError} that names the option, and tells no password
 */
export function serverAddresses(connectionString: unknown, hosts: unknown): ServerAddress[] {
  if (typeof connectionString !== 'string' || connectionString === '') {
    throw new ValidationError(CONNECTION_FIELD, 'give a text such as "postgres://user:password@host/database".');
  }
  const given = hosts === undefined ? undefined : checkedHosts(hosts);
  const url = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*)([^]*)$/i.exec(connectionString);
  if (!url) {
    if (!given) return [{ name: 'the server', connectionString }];
    throw new ValidationError(
      CONNECTION_FIELD,
      'with "hosts", give it as a URL: "postgres://user:password@host/database".',
    );
  }
  const [, begin, authority, rest] = url;
  const { hosts: inQuery, end } = withoutHosts(rest);
  const found = given ?? (inQuery.length > 0 ? inQuery : authority.split(','));
  const port = /:(\d+)$/.exec(authority)?.[1];
  const addresses = found.map((host) => {
    const name = given && port && authority.split(',').length === 1 && !/:\d+$/.test(host) ? `${host}:${port}` : host;
    return { name: name || 'the server', connectionString: begin + name + end };
  });
  // One server is what pg has always understood by it, with words that only libpq and pg know.
  return addresses.length === 1 && !given ? [{ name: 'the server', connectionString }] : addresses;
}

/** What follows the hosts of a URL, with the hosts that libpq takes there as well. */
function withoutHosts(rest: string): { readonly hosts: string[]; readonly end: string } {
  const [path, query] = [rest.split('?', 1)[0], rest.split('?').slice(1).join('?')];
  const settings = new URLSearchParams(query);
  const wanted = settings.get('target_session_attrs');
  if (wanted !== null && !PRIMARY_WORDS.includes(wanted)) {
    const problem = `target_session_attrs is "${wanted}", and a store has to write: leave it out.`;
    throw new ValidationError(CONNECTION_FIELD, problem);
  }
  const hosts = settings.get('host')?.split(',') ?? [];
  if (hosts.length < 2 && wanted === null) return { hosts: [], end: rest };
  const ports = settings.get('port')?.split(',') ?? [];
  for (const name of ['target_session_attrs', ...(hosts.length < 2 ? [] : ['host', 'port'])]) settings.delete(name);
  const left = settings.toString();
  return {
    hosts: hosts.length < 2 ? [] : hosts.map((host, index) => withPort(host, ports[index] ?? ports[0])),
    end: left === '' ? path : `${path}?${left}`,
  };
}

function withPort(host: string, port: string | undefined): string {
  return port ? `${host}:${port}` : host;
}

function checkedHosts(hosts: unknown): readonly string[] {
  const field = 'postgresEngine.hosts';
  if (!Array.isArray(hosts) || hosts.length === 0) {
    throw new ValidationError(
      field,
      `${shown(hosts)} is no list: give the servers, such as ["db-a:5432", "db-b:5432"].`,
    );
  }
  for (const [index, host] of hosts.entries()) {
    if (typeof host === 'string' && /^(\[[0-9a-fA-F:.%]+\]|[^\s:/?#@,[\]]+)(:\d{1,5})?$/.test(host)) continue;
    throw new ValidationError(`${field}[${index}]`, `${shown(host)} is none: give a host, with or without its port.`);
  }
  return hosts as string[];
}
