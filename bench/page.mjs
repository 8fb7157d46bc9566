import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '../docs/performance.md');
const FORMAT = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** Puts a suite's results into the page, between the marks that bear its name, and leaves the other suites' alone. */
export function writePage(suiteName, { title, about, rows }, measured, rounds) {
  const when = new Date().toISOString().slice(0, 10);
  let page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '# Performance\n';
  page = withPart(page, 'machine', `${machine()}\n- Last run: ${when}, \`npm run bench${commandLine()}\``);
  const measuredOn = `Measured ${when} in ${rounds} rounds, Node ${process.versions.node}, ${processor()}.`;
  page = withPart(page, suiteName, `## ${title}\n\n${about}\n\n${measuredOn}\n\n${tableOf(rows, measured)}`);
  mkdirSync(join(PAGE, '..'), { recursive: true });
  writeFileSync(PAGE, page);
}

/** A Markdown table of a suite's rows, laid out as Prettier does. */
export function tableOf(rows, measured) {
  const cells = [
    ['#', 'work', 'ours', 'compared with', 'theirs', 'ratio', 'goal', 'reached'],
    ...rows.map((row) => cellsOf(row, measured)),
  ];
  const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((line) => line[column].length)));
  const [head, ...body] = cells.map((line) => line.map((cell, column) => cell.padEnd(widths[column])));
  const lines = [head, widths.map((width) => '-'.repeat(width)), ...body];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

function cellsOf({ number: row, work, ours, against = '', theirs, goal = {}, unit }, measured) {
  const own = costOf(measured, ours);
  const other = theirs && costOf(measured, theirs);
  const cells = [String(row), work, formatCost(own, unit), against, other ? formatCost(other, unit) : ''];
  if (goal.atLeast !== undefined) {
    const times = other / own;
    return [...cells, `${number(times)}x`, `>= ${number(goal.atLeast)}x`, yesOrNo(times >= goal.atLeast)];
  }
  const ratio = other ? `${number(own / other)}x` : '';
  if (goal.atMost === undefined) return [...cells, ratio, '', ''];
  const bound = other ? `${number(goal.atMost)}x` : formatCost(goal.atMost, unit);
  return [...cells, ratio, `<= ${bound}`, yesOrNo((other ? own / other : own) <= goal.atMost)];
}

function costOf(measured, name) {
  if (!measured.has(name)) throw new Error(`No case measured "${name}".`);
  return measured.get(name);
}

export function formatCost(cost, unit = 'nanoseconds') {
  if (unit === 'bytes') return `${number(cost)} B`;
  if (cost < 1e3) return `${number(cost)} ns`;
  return cost < 1e6 ? `${number(cost / 1e3)} µs` : `${number(cost / 1e6)} ms`;
}

function number(value) {
  return FORMAT.format(value).replaceAll(',', ' ');
}

function yesOrNo(reached) {
  return reached ? 'yes' : 'no';
}

function withPart(page, name, text) {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const part = `${begin}\n\n${text}\n\n${end}`;
  const from = page.indexOf(begin);
  if (from < 0) return `${page.trimEnd()}\n\n${part}\n`;
  return page.slice(0, from) + part + page.slice(page.indexOf(end) + end.length);
}

function machine() {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'));
  const peers = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`);
  return [
    `- Machine: ${processor()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release().split('-')[0]}`,
    `- Node ${process.versions.node}, V8 ${process.versions.v8}`,
    `- Compared with: ${peers.join(', ')}`,
  ].join('\n');
}

function processor() {
  const [{ model }] = cpus();
  return `${model.trim()}, ${cpus().length} cores`;
}

function commandLine() {
  const args = process.argv.slice(2);
  return args.length > 0 ? ` -- ${args.join(' ')}` : '';
}
