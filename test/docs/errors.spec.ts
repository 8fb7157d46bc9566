import { describe, expect, it } from '@jest/globals';
import * as nestjsStreamStore from 'nestjs-stream-store';
import * as errors from '../../lib/store/values/errors.js';
import { readPage } from './markdown.js';

type ErrorClass = new (...args: unknown[]) => errors.EventStoreError;

/** A row of the table: the cells without their marks of code. */
interface Row {
  readonly name: string;
  readonly code: string;
  readonly fields: readonly string[];
}

describe('the table of docs/errors.md', () => {
  const rows = readPage('docs/errors.md')
    .text.split('\n')
    .filter((line) => line.startsWith('| `'))
    .map(toRow);
  const classes = (Object.values(errors) as unknown[]).filter(isErrorClass);

  it('has a row for every error class, and none besides', () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(classes.map(({ name }) => name).sort());
  });

  it.each(classes.map((errorClass) => [errorClass.name, errorClass] as const))(
    'states code and fields of %s',
    (name, errorClass) => {
      // Every field is given in the constructor, so any arguments will do to see which there are.
      const error = new errorClass('first', 'second', 'third');
      const fields = Object.keys(error).filter((field) => field !== 'name' && field !== 'code');

      expect(rows.find((row) => row.name === name)).toEqual({ name, code: error.code, fields: fields.sort() });
    },
  );

  it('speaks of classes that the package exports', () => {
    for (const { name } of classes) expect(nestjsStreamStore).toHaveProperty(name, errors[name as keyof typeof errors]);
  });
});

function isErrorClass(exported: unknown): exported is ErrorClass {
  return typeof exported === 'function' && exported.prototype instanceof errors.EventStoreError;
}

function toRow(line: string): Row {
  const [name, code, fields] = line
    .split('|')
    .slice(1)
    .map((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word));
  return { name: name[0], code: code[0], fields: fields.sort() };
}
