import { Get, Inject, NotFoundException, Req, Res } from '@nestjs/common';
import {
  answer,
  answerEmpty,
  SAFE_HEADERS,
  urlOf,
  type HttpRequest,
  type HttpResponse,
} from '../request/http-exchange.js';
import { PAGE_FILES } from '../http.tokens.js';
import type { PageFile } from '../page-files.js';

/** Only what comes from here, no script in the page itself, and no text that becomes HTML. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const PAGE_HEADERS = {
  ...SAFE_HEADERS,
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};

/** The page to look at streams. */
export class StreamPageController {
  constructor(@Inject(PAGE_FILES) private readonly files: ReadonlyMap<string, PageFile>) {}

  /** The page's addresses are relative to its own, so that has to end with its file. */
  @Get('page')
  openPage(@Req() request: HttpRequest, @Res() response: HttpResponse): void {
    const [path] = urlOf(request).split('?', 1);
    answerEmpty(response, 302, { ...SAFE_HEADERS, location: path.endsWith('/') ? 'index.html' : 'page/index.html' });
  }

  @Get('page/:file')
  getFile(@Req() request: HttpRequest, @Res() response: HttpResponse): void {
    const file = this.files.get(request.params.file);
    if (!file) throw new NotFoundException('The page has no such file.');
    answer(response, 200, { ...PAGE_HEADERS, 'content-type': file.type }, file.content);
  }
}
