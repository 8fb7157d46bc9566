// node scripts/release-notes.mjs <version>: prints what CHANGELOG.md says of a version, for the release on the forge. Fails when
// that is nothing, so that nothing is released in silence.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const version = process.argv[2];
const changelog = readFileSync(join(import.meta.dirname, '../CHANGELOG.md'), 'utf8');
const sections = changelog.split(/^## /m).slice(1);
const section = sections.find((text) => text.startsWith(`[${version}]`));
const notes = section?.slice(section.indexOf('\n')).trim();
if (!notes) {
  const found = sections.map((text) => /^\[(.+?)\]/.exec(text)?.[1]).join(', ');
  console.error(`CHANGELOG.md says nothing of version ${version ?? '(none was given)'}. It has sections of: ${found}.`);
  process.exit(1);
}
console.log(notes);
