import { isSecretName } from './secret-names.js';

/** What stands in the place of a value that must not be kept. */
export const REDACTED = '[redacted]';

/** Texts that are secrets by their form, whatever they stand under. */
const SECRET_TEXTS: readonly RegExp[] = [
  /-----BEGIN (?!CERTIFICATE|PUBLIC|X509)[A-Z\d ]+-----[^]*?(?:-----END [A-Z\d ]+-----|$)/g,
  // JWT, JWS and JWE: what is encoded begins with `{"`.
  /\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}/g,
  // Hashes of passwords.
  /\$2[abxy]?\$\d\d\$[./A-Za-z\d]{53}|\$(?:argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha\d+)?|[156]|y)\$\S{20,}/g,
  // Keys that say whose they are: of GitHub, GitLab, Slack, Stripe, OpenAI, Anthropic, AWS, Google, npm, PyPI, and others.
  /\b(?:gh[pousr]_|github_pat_|glpat-|gl(?:rt|dt|ptt)-|npm_|hf_|r8_|gsk_|dckr_pat_|dop_v1_|shp(?:at|ss|ca|pa)_|lin_api_|figd_|ATATT3)[\w-]{16,}/g,
  /\b(?:xox[abeoprs]-|xapp-|sk-(?:ant-|proj-)?|pypi-|PMAK-|NRAK-|xkeysib-|rubygems_|whsec_|ntn_|hv[sbr]\.|ya29\.|sq0(?:atp|csp)-|AGE-SECRET-KEY-)(?=[\w.-]*[A-Z\d])[\w.-]{16,}/g,
  /\b(?:[sr]k|pk)_(?:live|test|prod)_\w{8,}|\brzp_(?:live|test)_\w{8,}/g,
  /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7\d]{16}\b|\bAIza[\w-]{35}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bdapi[a-f\d]{32}\b|\bkey-[a-f\d]{32}\b|\bSK[a-f\d]{32}\b/g,
  /\b\d{8,10}:AA[\w-]{32,}|https:\/\/hooks\.slack\.com\/(?:services|workflows)\/\S+/g,
];

/** What a header of credentials begins with. */
const SCHEME =
  /\b(Bearer|Basic|Token|ApiKey|Digest|Negotiate|NTLM|DPoP|AWS4-HMAC-SHA256)([ +]|%20)+([\w+/=.~:-]{4,})/gi;

/** The user and password in front of a host. */
const URL_CREDENTIALS = /([a-z][a-z\d+.-]{0,30}(?::|%3a)(?:\/\/|%2f%2f))[^\s/?#"'<>]*(?:@|%40)/gi;
const CREDENTIALS =
  /(?<![\w.+/:-])(?!(?:mailto|sips?|acct|xmpp|e-?mail|to|from|cc|bcc|contact):)[\w.+-]{1,64}:[^\s:@/]+@(?=[\w-]+[.:\w-])/gi;

/** A name in a text, with what stands between it and its value: in a URL, a form, JSON, a cookie, a connection string. */
const NAME = /(["']?)([\p{L}\d_.$[\]-]{2,64}(?: [\p{L}\d_-]{2,32})?)\1\s{0,8}(?:=|:(?!\/\/)|%3[ad])\s{0,8}/giu;
const VALUE = /(["'])(?:[^"'\\]|\\.)*\1?|(?:(?!%26)[^\s&;,"'}<>])+/gy;

/** 13 to 19 digits together, or in groups as they stand on a card. */
const CARD_NUMBER =
  /(?<![\d.])\d{13,19}(?!\d)|(?<!\d[ .-]?)\d{4}([ .-])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?(?!-?\d)|(?<!\d[ .-]?)\d{4}([ .-])\d{6}\2\d{4,5}(?!-?\d)/g;

/** What cards of the larger schemes begin with, and how long their numbers are. */
const ISSUED = new RegExp(
  [
    /4(?:\d{12}|\d{15}|\d{18})/,
    /5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}/,
    /3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}/,
    /(?:6011|64[4-9]\d|65\d\d|62\d\d|35(?:2[89]|[3-8]\d)|220[0-4]|9792|50\d\d|5[6-8]\d\d|6[37]\d\d)\d{12,15}/,
  ]
    .map(({ source }) => `^(?:${source})$`)
    .join('|'),
);

/** A text without the secrets in it: tokens, keys, credentials, card numbers, and what stands behind the name of a secret. */
export function withoutSecrets(text: string): string {
  return withoutTokens(text).replace(CARD_NUMBER, (digits) => (isCardNumber(digits) ? REDACTED : digits));
}

/** As `withoutSecrets`, for what says who somebody is: long numbers stay. */
export function withoutTokens(text: string): string {
  let rest = text;
  for (const pattern of SECRET_TEXTS) rest = rest.replace(pattern, REDACTED);
  rest = rest
    .replace(URL_CREDENTIALS, `$1${REDACTED}@`)
    .replace(CREDENTIALS, `${REDACTED}@`)
    .replace(SCHEME, (all, scheme: string, _space, value: string) =>
      isCredential(scheme, value, all === text.trim()) ? REDACTED : all,
    );
  return withoutNamedSecrets(rest);
}

/** What stands behind the name of a secret is taken out. */
function withoutNamedSecrets(text: string): string {
  let rest = '';
  let at = 0;
  for (const { 0: match, 2: name, index } of text.matchAll(NAME)) {
    if (index < at) continue;
    // Of `%3Ftoken%3D`, which is an encoded `?token=`, the name begins behind the code.
    if (!isSecretName(text[index - 1] === '%' ? name.slice(2) : name)) continue;
    VALUE.lastIndex = index + match.length;
    const [value, quote = ''] = VALUE.exec(text) ?? [''];
    if (value === '' || value.startsWith(REDACTED)) continue;
    rest += text.slice(at, index + match.length) + quote + REDACTED + quote;
    at = index + match.length + value.length;
  }
  return rest + text.slice(at);
}

export function isCardNumber(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  if (!ISSUED.test(digits)) return false;
  let sum = 0;
  for (let place = 0; place < digits.length; place++) {
    const digit = Number(digits[digits.length - 1 - place]) * (place % 2 === 0 ? 1 : 2);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

/** "Basic training" is none, and neither is "the bearer understands". */
function isCredential(scheme: string, value: string, isAll: boolean): boolean {
  // User and password, with a colon between them.
  if (/^basic$/i.test(scheme)) return /^[^:\p{Control}\ufffd]*:[^\p{Control}\ufffd]*$/u.test(decoded(value));
  if (isAll && /^(bearer|apikey|dpop)$/i.test(scheme)) return true;
  return value.length >= 8 && /\d|[a-z][A-Z]|[=_~.+/-]\w/.test(value);
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
