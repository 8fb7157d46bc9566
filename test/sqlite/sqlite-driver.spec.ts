import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ValidationError } from 'nestjs-stream-store';
import { findDriver } from '../../lib/sqlite/sqlite-driver.js';
import { newFolder } from './sqlite-files.js';

/** An application with better-sqlite3, or something of its form. @returns its main file */
function applicationWith(version?: string): string {
  const folder = newFolder();
  if (version !== undefined) {
    const home = join(folder, 'node_modules/better-sqlite3');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'better-sqlite3', version, main: 'index.js' }));
    writeFileSync(join(home, 'index.js'), `module.exports = class Better { static version = '${version}'; }`);
  }
  return join(folder, 'main.js');
}

function refusal(find: () => unknown): ValidationError {
  try {
    find();
  } catch (error) {
    expect(error).toBeInstanceOf(ValidationError);
    return error as ValidationError;
  }
  throw new Error('it was found');
}

describe('the driver', () => {
  it('is what Node has built in, if it has', () => {
    class DatabaseSync {}

    expect(findDriver({ builtIn: { DatabaseSync }, nodeApi: 10, from: [] })).toBe(DatabaseSync);
  });

  it('is else the better-sqlite3 that the application has installed', () => {
    const from = [applicationWith(), applicationWith('12.11.1')];
    const versionOf = (driver: unknown): unknown => (driver as { version?: unknown }).version;

    expect(versionOf(findDriver({ builtIn: undefined, nodeApi: 9, from }))).toBe('12.11.1');
    const later = [applicationWith('13.2.0')];
    expect(versionOf(findDriver({ builtIn: undefined, nodeApi: 10, from: later }))).toBe('13.2.0');
  });

  it('is not a better-sqlite3 that would end the process', () => {
    const { field, message } = refusal(() =>
      findDriver({ builtIn: undefined, nodeApi: 9, from: [applicationWith('13.2.0')] }),
    );

    expect(field).toBe('sqliteEngine.driver');
    expect(message).toContain('npm install better-sqlite3@12');
  });

  it('is to be installed when there is none', () => {
    const { field, message } = refusal(() => findDriver({ builtIn: undefined, nodeApi: 9, from: [applicationWith()] }));

    expect(field).toBe('sqliteEngine.driver');
    expect(message).toContain('npm install better-sqlite3@12');
  });
});
