import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, afterEach } from '@jest/globals';
import { transformFile } from '@swc/core';

const REPOSITORY = resolve(import.meta.dirname, '../../..');

const folders: string[] = [];
const children = new Set<ChildProcessByStdio<null, Readable, Readable>>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
});

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * Compiles a program beside a copy of `lib/`, where it finds the package by its name.
 *
 * @param others packages that it finds as given here: the text of a CommonJS module, or undefined when it is to find none
 * @returns the program's file
 */
export async function compiledApp(source: string, others: Record<string, string | undefined> = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'stream-store-app-'));
  folders.push(folder);
  cpSync(join(REPOSITORY, 'package.json'), join(folder, 'package.json'));
  linkPackages(join(folder, 'node_modules'), others);
  // A package may import itself by its name, through its own `exports`.
  const sources = readdirSync(join(REPOSITORY, 'lib'), { recursive: true, encoding: 'utf8' });
  const files = sources.filter((file) => file.endsWith('.ts'));
  await Promise.all(files.map((file) => compile(join(REPOSITORY, 'lib', file), join(folder, 'dist/esm', toJs(file)))));
  for (const file of sources.filter((name) => name.endsWith('.cjs')))
    cpSync(join(REPOSITORY, 'lib', file), join(folder, 'dist/esm', file));
  // What lies beside it, it may import.
  const programs = readdirSync(dirname(source)).filter((file) => file.endsWith('.ts'));
  await Promise.all(programs.map((file) => compile(join(dirname(source), file), join(folder, toJs(file)))));
  return join(folder, toJs(basename(source)));
}

function linkPackages(target: string, others: Record<string, string | undefined>): void {
  const source = join(REPOSITORY, 'node_modules');
  if (Object.keys(others).length === 0) return symlinkSync(source, target);
  const scopes = ['', ...new Set(Object.keys(others).flatMap((name) => /^@[^/]+/.exec(name) ?? []))];
  for (const scope of scopes) {
    mkdirSync(join(target, scope));
    for (const entry of readdirSync(join(source, scope))) {
      const name = scope === '' ? entry : `${scope}/${entry}`;
      if (scopes.includes(name) || name in others) continue;
      symlinkSync(join(source, name), join(target, name));
    }
  }
  for (const [name, text] of Object.entries(others)) {
    if (text === undefined) continue;
    mkdirSync(join(target, name));
    writeFileSync(join(target, name, 'index.js'), text);
  }
}

async function compile(source: string, target: string): Promise<void> {
  const { code } = await transformFile(source, {
    swcrc: false,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
    module: { type: 'es6' },
  });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

function toJs(file: string): string {
  return file.replace(/\.ts$/, '.js');
}

/** A program that runs on its own. */
export interface ChildApp {
  /** What it has written on its standard output, line by line. */
  readonly lines: string[];
  /** Resolves with the lines like this one, when it has written as many; rejects when it ends without. */
  readonly said: (line: string | RegExp, times?: number) => Promise<string[]>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts a program, which is killed when the test ends before it. */
export function startChild(file: string, ...args: string[]): ChildApp {
  return startChildWith([], file, ...args);
}

/** Starts a program with options of Node's. */
export function startChildWith(options: readonly string[], file: string, ...args: string[]): ChildApp {
  const child = spawn(process.execPath, [...options, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const lines: string[] = [];
  let errors = '';
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const goOn of waiting.splice(0)) goOn();
  };
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  let hasEnded = false;
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => {
      hasEnded = true;
      children.delete(child);
      resolve({ code, signal });
      wake();
    });
  });
  const said = async (line: string | RegExp, times = 1): Promise<string[]> => {
    for (;;) {
      const like = lines.filter((written) => (typeof line === 'string' ? written === line : line.test(written)));
      if (like.length >= times) return like;
      if (hasEnded) throw new Error(`it ended without "${line}": ${lines.join(', ')}\n${errors}`);
      await new Promise<void>((resolve) => (waiting = [...waiting, resolve]));
    }
  };
  return { lines, said, kill: (signal) => void child.kill(signal), ended };
}
