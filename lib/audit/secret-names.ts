// A name is taken apart into words, `newPassword2` into `new password`: neither digits nor the case say anything.

/** Parts of a word that give a secret away wherever they stand in it: also `newpassword`, `accesstoken` and `passwort`. */
const PARTS = anyOf(
  /pass|pwd|pswd|kennwort|wachtwoord|senha|secret(?!ar)|token(?!i[sz]|om)|credential|creds|cookie|csrf|xsrf|jwt|bearer/,
  /mnemonic|signature|cvv|cvc|authorization|sessid|sessionid|connectionstring|cardnumber|securitycode/,
  /(api|private|access|secret|encryption|signing)key/,
);

/** Words that have such a part in them by chance. A `passport` is none of them: its number is nobody else's business. */
const HARMLESS_WORDS = anyOf(
  /^(en)?compass$/,
  /^(by|sur|tres|over|under|im)?pass(e[sd]|ing|ive|ions?|through|engers?|ages?)$/,
  /^(by|im|sur|tres|over|under)pass$/,
);

/** Whole words, or ends of them: too short to be looked for in the middle, as `footprint` has an `otp` in it. */
const WORDS = anyOf(
  /^(sid|sig|pan|pin|dsn|cred|ssn|iban)$/,
  /^otp|otp$/,
  /^(user|card|new|old|my|sim|login|atm|bank|account)(pin|ssn|iban)$/,
  /^(pin|ssn|iban)(code|number|no|block)$/,
);

/** Words that give a secret away together. */
const PHRASES = anyOf(
  /\b(api|app|access|secret|private|encryption|decryption|signing|master|session|auth|ssh|gpg|pgp|aes|rsa|hmac) ?keys?\b/,
  /\b(shared|client|consumer|service|license|crypto|symmetric|webhook) ?keys?\b/,
  /\b(credit|debit) ?cards?$/,
  /\bcards? ?(numbers?|num|no|pin)\b|\bcc ?(number|num|no)\b|\bprimary account number\b/,
  /\b(security|verification|access|recovery|backup|reset|activation|login|one ?time|sms|mfa|auth) ?codes?\b/,
  /\b(seed|recovery) ?phrase\b|\bsession ?ids?\b|\bconn(ection)? ?(str|string|uri)s?\b|\bsecurity ?answers?\b/,
  /\bsocial ?security\b|\bsaml ?(response|assertion)\b|\bauth ?(header|data|value)\b|^((x|basic|http|proxy) )?auth$/,
);

/** How many tokens there are, of which kind or until when, is no secret; nor is what passes. */
const HARMLESS_PHRASES = anyOf(
  /^(\w+ )?tokens? ?(counts?|limits?|types?|usage|used|budget|total|expiry|expires( at| in)?|ttl|length)$/,
  /^(max|min|total|prompt|completion|input|output|used|cached|remaining|num|number of)( new| output| input)? ?tokens$/,
  /^(\w+ )?pass (through|rate|count|fail|mark|ratio)$/,
);

/** Long enough to be looked for across words as well: `pAsSwOrD` looks like five. */
const LETTERS = anyOf(
  /password|passphrase|passcode|secret(?!ar)|credential|token(?!i[sz]|om)|cookie|apikey|privatekey|authorization|cardnumber/,
  /^(pwd|jwt|cvv|cvc|otp|pin)$/,
);

/** Whether a secret may stand under a name: of a member, a parameter, a header. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  if (HARMLESS_PHRASES.test(words)) return false;
  const all = words.split(' ');
  return (
    PHRASES.test(words) ||
    all.some((word) => WORDS.test(word) || (PARTS.test(word) && !HARMLESS_WORDS.test(word))) ||
    LETTERS.test(all.join(''))
  );
}

/** Whether the end of a path gives a secret away, such as `card.number`, of which neither name would do so alone. */
export function isSecretPair(parent: string, name: string): boolean {
  return PHRASES.test(`${wordsOf(parent)} ${wordsOf(name)}`);
}

function wordsOf(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/\p{N}+/gu, '')
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .replace(/[^\p{L}]+/gu, ' ')
    .trim()
    .toLowerCase();
}

function anyOf(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join('|'));
}
