import { describe, expect, it } from '@jest/globals';
import { serverAddresses } from '../../lib/postgres/server-addresses.js';

const strings = (connectionString: string, hosts?: unknown): string[] =>
  serverAddresses(connectionString, hosts).map((address) => address.connectionString);

describe('a URL', () => {
  it.each([
    ['postgres://u:p@a/d', ['postgres://u:p@a/d']],
    ['postgres://u:p@a:1,b:2/d', ['postgres://u:p@a:1/d', 'postgres://u:p@b:2/d']],
    ['postgresql://u:p%40@a,b/d?sslmode=require', ['a', 'b'].map((h) => `postgresql://u:p%40@${h}/d?sslmode=require`)],
    ['postgres://a,b,c', ['postgres://a', 'postgres://b', 'postgres://c']],
    ['postgres://u@[::1]:1,[::2]:2/d', ['postgres://u@[::1]:1/d', 'postgres://u@[::2]:2/d']],
    ['postgres://u:p@/d?host=a,b&port=1,2', ['postgres://u:p@a:1/d', 'postgres://u:p@b:2/d']],
    ['postgres://u:p@a,b/d?target_session_attrs=read-write', ['postgres://u:p@a/d', 'postgres://u:p@b/d']],
    ['socket:/tmp?db=d', ['socket:/tmp?db=d']],
    ['/tmp d', ['/tmp d']],
  ])('%s names its servers', (url, expected) => {
    expect(strings(url)).toEqual(expected);
  });

  it('that wants a standby is refused', () => {
    expect(() => strings('postgres://a,b/d?target_session_attrs=standby')).toThrow('target_session_attrs');
  });
});

describe('hosts', () => {
  it('stand in place of those of the URL, and take its port where they have none', () => {
    expect(strings('postgres://u:p@x:7/d', ['a', 'b:2'])).toEqual(['postgres://u:p@a:7/d', 'postgres://u:p@b:2/d']);
  });

  it.each([[[]], ['a,b'], [['a:b']], [['u@a']], [[7]], [['']]])('%j is refused', (hosts) => {
    expect(() => strings('postgres://u:p@x/d', hosts)).toThrow('postgresEngine.hosts');
  });

  it('need a URL, and the refusal tells no password', () => {
    expect(() => strings('/tmp secret', ['a'])).toThrow(/^(?!.*secret).*as a URL/);
  });

  it('are named without user and password', () => {
    expect(serverAddresses('postgres://u:secret@a:1,b/d', undefined).map(({ name }) => name)).toEqual(['a:1', 'b']);
  });
});
