import { join } from 'node:path';
import { copyUplot } from '../../scripts/uplot.mjs';

/** Puts beside the stream page what the build puts there, before any test: whichever asks for the page first finds all of it. */
export default function preparePage() {
  copyUplot(join(import.meta.dirname, '../../lib/http/page/uplot'));
}
