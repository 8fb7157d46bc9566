import { describe, expect, it } from '@jest/globals';
import { keptFields } from '../../lib/audit/kept-fields.js';

const kept = (order: unknown) => keptFields({ order }, ['order'], 'body', undefined);

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\nx9TELL\n-----END RSA PRIVATE KEY-----';
// Put together here, so that nobody who looks for secrets in this repository finds one.
const key = (prefix: string, length: number) => `${prefix}${'a1B2c3D4e5F6g7H8i9J0'.repeat(4).slice(0, length)}`;

describe('the name of a secret', () => {
  it.each([
    ...[
      'password',
      'newpassword',
      'password1',
      'userPassword2',
      'PASSWORD',
      'pAsSwOrD',
      'Pass-Word',
      'pass',
      'passwort',
    ],
    ...[
      'pwd',
      'dbPwd',
      'passcode',
      'passphrase',
      'passkey',
      'smtpPass',
      'secret',
      'secrets',
      'clientsecret',
      'secret_2',
    ],
    ...[
      'token',
      'token1',
      'tokens',
      'accesstoken',
      'refreshtoken',
      'authtoken',
      'csrftoken',
      'JWTToken',
      'tOkEn',
      'xsrf',
    ],
    ...[
      'apiKey',
      'apiKeys',
      'apikey2',
      'API_KEY',
      'x-api-key',
      'privateKey',
      'accessKeyId',
      'encryptionKey',
      'signingkeys',
    ],
    ...[
      'client_key',
      'sshKey',
      'cvv',
      'cvv2',
      'cVv',
      'cvc',
      'PINCode',
      'pin',
      'pin2',
      'userpin',
      'newPin',
      'OTPCode',
      'otp',
    ],
    ...[
      'totp',
      'smsotp',
      'IBANNumber',
      'iban',
      'ssn',
      'bearer',
      'sessionId',
      'session_id',
      'PHPSESSID',
      'sid',
      'connect.sid',
    ],
    ...[
      'signature',
      'X-Amz-Signature',
      'sig',
      'connectionString',
      'dsn',
      'creditCard',
      'creditcards',
      'debit_card',
      'pan',
    ],
    ...[
      'cardNumber',
      'card_no',
      'ccNumber',
      'securityCode',
      'verification_code',
      'recoveryCodes',
      'mnemonic',
      'seedPhrase',
    ],
    ...[
      'cookie',
      'setCookies',
      'authorization',
      'auth',
      'authHeader',
      'credentials',
      'aws_creds',
      'jwt',
      'SAMLResponse',
    ],
    ...[
      'ｐａｓｓｗｏｒｄ',
      'pass\u200bword',
      'contraseña_password',
      'socialSecurityNumber',
      'securityAnswer',
      'kennwort',
    ],
  ])('tells %s, wherever it stands and whatever is under it', (name) => {
    const places: unknown[] = [
      { [name]: 'TELL' },
      { [name]: 7_355_608 },
      { a: [{ [name]: ['TELL', { b: 'TELL' }] }] },
      { fields: [{ name, value: 'TELL' }] },
      { fields: [{ key: name, newValue: 'TELL', oldValue: 'TELL' }] },
      { patch: [{ op: 'replace', path: `/user/${name}`, value: 'TELL' }] },
      { pairs: [[name, 'TELL']] },
      { rawHeaders: ['accept', '*/*', name, 'TELL'] },
    ];
    for (const place of places) {
      const text = JSON.stringify(kept(place));
      expect([text, /TELL|7355608/.test(text)]).toEqual([text, false]);
      expect(text).toContain('[redacted]');
    }
  });

  it.each([
    ...['passenger', 'passengers', 'passengerName', 'compass', 'bypass', 'passage', 'passive', 'passed', 'encompass'],
    ...[
      'passThrough',
      'author',
      'authors',
      'authority',
      'authMethod',
      'secretary',
      'secretariat',
      'tokenCount',
      'tokenType',
    ],
    ...[
      'maxTokens',
      'total_tokens',
      'promptTokens',
      'tokenizer',
      'monkey',
      'keyboard',
      'keyword',
      'foreignKey',
      'publicKey',
    ],
    ...[
      'idempotencyKey',
      'primaryKey',
      'key',
      'keys',
      'designKey',
      'pinned',
      'shipping',
      'opinion',
      'spin',
      'footprint',
    ],
    ...['company', 'panel', 'Japan', 'side', 'inside', 'residence', 'consider', 'className', 'businessName', 'taliban'],
    ...[
      'card',
      'cardType',
      'cardHolder',
      'last4',
      'discard',
      'code',
      'countryCode',
      'zipCode',
      'couponCode',
      'session',
    ],
    ...[
      'sessions',
      'sign',
      'signal',
      'design',
      'designedAt',
      'accessories',
      'hotplate',
      'option',
      'amount',
      'customerId',
    ],
    ...['groupAssignee', 'appAssets', 'shipAssigned', 'orderNumber', 'accountHolder', 'connection', 'conference'],
  ])('is not %s, which stays readable', (name) => {
    expect(kept({ [name]: 'tell', fields: [{ name, value: 'tell' }] })).toEqual({
      order: { [name]: 'tell', fields: [{ name, value: 'tell' }] },
    });
  });

  it('is also one that two names make together', () => {
    const order = { card: { number: 'TELL', holder: 'Ada' }, cards: [{ number: 'TELL' }], api: { key: 'TELL' } };

    expect(kept(order)).toEqual({
      order: {
        card: { number: '[redacted]', holder: 'Ada' },
        cards: [{ number: '[redacted]' }],
        api: { key: '[redacted]' },
      },
    });
  });
});

describe('a value that looks like a secret', () => {
  it.each<[string, string, string]>([
    ['a JWT', jwt, '[redacted]'],
    ['a JWT in a sentence', `it said ${jwt}, twice`, 'it said [redacted], twice'],
    ['an encrypted JWT', 'eyJhbGciOiJSU0EifQ.T0tB.48V1.5eym.XFBo', '[redacted]'],
    ['a bearer token', 'Bearer abcdefgh', '[redacted]'],
    ['a bearer token in a header', 'authorization: bearer mF_9.B5f-4.1JqM', 'authorization: [redacted]'],
    ['basic credentials', 'Basic YWRhOmxvdmVsYWNl', '[redacted]'],
    ['an API token of a scheme', 'Token 0a1b2c3d4e5f', '[redacted]'],
    ['a private key', pem, '[redacted]'],
    ['a private key without its end', pem.slice(0, 60), '[redacted]'],
    ['a key of Stripe', key('sk_live_', 24), '[redacted]'],
    ['a token of GitHub', key('ghp_', 36), '[redacted]'],
    ['a fine-grained token of GitHub', key('github_pat_', 60), '[redacted]'],
    ['a token of GitLab', key('glpat-', 20), '[redacted]'],
    ['a token of Slack', key('xoxb-', 40), '[redacted]'],
    ['a key of OpenAI', key('sk-proj-', 40), '[redacted]'],
    ['a key of AWS', `AKIA${'ABCDEFGH234567QR'}`, '[redacted]'],
    ['a key of Google', key('AIza', 35), '[redacted]'],
    ['a token of npm', key('npm_', 36), '[redacted]'],
    [
      'the hash of a password',
      `$2b$10$${'abcdefghijklmnopqrstuv./ABCDEFGHIJKLMNOPQRSTUVWXYZ01234'.slice(0, 53)}`,
      '[redacted]',
    ],
    ['credentials in a URL', 'postgres://ada:love@lace@db.local:5432/shop', 'postgres://[redacted]@db.local:5432/shop'],
    ['a token for a user in a URL', 'https://abc123@git.example/x', 'https://[redacted]@git.example/x'],
    ['credentials without a scheme', 'ada:lovelace@db.local', '[redacted]@db.local'],
    [
      'a token in a query',
      'https://x.example/cb?a=1&access_token=TELL&b=2#c',
      'https://x.example/cb?a=1&access_token=[redacted]&b=2#c',
    ],
    ['a token in a fragment', '/cb#id_token=TELL', '/cb#id_token=[redacted]'],
    ['a signature in a query', 'https://x.example/f?sig=TELL&se=2', 'https://x.example/f?sig=[redacted]&se=2'],
    ['an encoded URL in a query', 'next=%2Fcb%3Ftoken%3DTELL%26a%3D1', 'next=%2Fcb%3Ftoken%3D[redacted]%26a%3D1'],
    ['a form', 'user=ada&password=TELL', 'user=ada&password=[redacted]'],
    ['JSON in a text', '{"user":"ada","password":"TE LL"}', '{"user":"ada","password":"[redacted]"}'],
    ['a cookie', 'theme=dark; sid=TELL; lang=de', 'theme=dark; sid=[redacted]; lang=de'],
    ['a connection string', 'Server=db;User Id=ada;Password=TELL;', 'Server=db;User Id=ada;Password=[redacted];'],
    ['a card number', '4111111111111111', '[redacted]'],
    ['a card number in groups', 'card 4111 1111 1111 1111 12/27', 'card [redacted] 12/27'],
    ['a card number with hyphens', '5555-5555-5555-4444', '[redacted]'],
    ['a card of American Express', '3782 822463 10005', '[redacted]'],
    ['a card of 19 digits', '6212345678901234569', '[redacted]'],
  ])('is %s', (_what, text, right) => {
    expect(kept({ note: text })).toEqual({ order: { note: right } });
    // As the name of a member it is none that a caller should see in the trail either.
    expect(JSON.stringify(kept({ [text]: 1 }))).not.toMatch(/TELL|4111|lovelace|eyJ/);
  });

  it('is also a number, and what an object says that it is', () => {
    const order = { n: 4_111_111_111_111_111, big: 4111111111111111n, url: new URL('https://ada:TELL@x.example/') };

    expect(kept(order)).toEqual({
      order: { n: '[redacted]', big: '[redacted]', url: 'https://[redacted]@x.example/' },
    });
  });

  it('is found where the text is cut', () => {
    const { order } = kept(`${'x'.repeat(980)} ${jwt}${jwt}`) as { order: string };

    expect(order).toBe(`${'x'.repeat(980)} [redacted]`);
  });

  it.each([
    ...['8c9f2f0e-7d3a-4b61-9a55-1f3a5e0c7b42', '44444444-4444-4444-4444-444444444444', '01HZX3KJ9Y5T7Q2W8E4R6M1N0P'],
    ...[
      'ORD-2024-000123456',
      '2024010112345678',
      '4111111111111112',
      '1706745599500',
      '1234567890123456',
      'PO 4500017890',
    ],
    ...[
      '2024-01-31T23:59:59.500Z',
      '+49 30 1234567',
      'DE 10115 Berlin',
      '9007199254740991',
      'a3f5c1d2e4b6978801234567890abcde',
    ],
    ...[
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'V1StGXR8_Z5jdHi6B-myT',
      'SGVsbG8gd29ybGQ=',
    ],
    ...[
      'https://shop.example/orders/42?page=2&sort=asc',
      'mailto:ada@example.com',
      'ada@example.com',
      'email:ada@example.com',
    ],
    ...[
      'Basic training',
      'a basic understanding',
      'the bearer understands it',
      'Token ring',
      'keys: 3',
      'author=Ada',
      'at 12:30',
    ],
    ...[
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
      'token count: 5',
      'task-management-system-overview',
    ],
    ...[
      'sk-bratislava-old-town',
      'C:\\orders\\42',
      '4 of 5 passed',
      '192.168.0.1:8080',
      'passenger: Ada',
      '3.14159265358979',
    ],
  ])('is not %s, which stays readable', (text) => {
    expect(kept({ note: text })).toEqual({ order: { note: text } });
  });

  it('is looked for in a time that does not grow with what is sent', () => {
    const long = ['a:', 'eyJ', 'Basic ', '4111 ', '://', 'x=', '"', ' '].map((part) => part.repeat(200_000));
    const startedAt = performance.now();
    kept({ long, many: Array.from({ length: 100 }, () => long) });

    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
