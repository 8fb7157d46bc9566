import type { Query, Row } from '../query.js';

/** What a connection says of itself, and of the server that it leads to. */
export interface Session {
  /** Why nothing can be written with it; undefined when something can. */
  readonly readOnlyBecause: 'it is a standby' | 'it may only read' | undefined;
  /** Of the data: a copy keeps it. Undefined where the role may not know. */
  readonly systemIdentifier: string | undefined;
  /** Rises with each promotion of a standby. Undefined where it cannot be known, as on a standby. */
  readonly timeline: number | undefined;
  /** The settings that would change what is kept, or what is read. */
  readonly settings: Readonly<Record<SessionSetting, string>>;
  /** Whether answers come as they are asked for: in rows of texts. */
  readonly isPlain: boolean;
}

const SETTINGS = [
  'default_transaction_isolation',
  'array_nulls',
  'client_encoding',
  'zero_damaged_pages',
  'ignore_checksum_failure',
] as const;

export type SessionSetting = (typeof SETTINGS)[number];

/** @param tellsIdentity whether the role may ask what the server calls itself */
export function session(tellsIdentity: boolean): Query<Session> {
  // The timeline of the control file is that of the last checkpoint, which comes long after a promotion.
  const identity = tellsIdentity
    ? `CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
      (SELECT system_identifier FROM pg_control_system())`
    : 'NULL, NULL';
  const settings = SETTINGS.map((name) => `current_setting('${name}', true)`).join(', ');
  return {
    text: `SELECT $1::text, true, 1::int, pg_is_in_recovery(), current_setting('transaction_read_only'), ${identity}, ${settings}`,
    // A parameter makes it go the way of those that matter.
    values: ['plain'],
    answer: ([row]) => {
      const isPlain = row[0] === 'plain' && row[1] === 't' && row[2] === '1';
      const [, , , isInRecovery, isReadOnly, timeline, systemIdentifier, ...values] = isPlain ? row : ([] as Row);
      return {
        isPlain,
        readOnlyBecause:
          isInRecovery === 't' ? 'it is a standby' : isReadOnly === 'on' ? 'it may only read' : undefined,
        systemIdentifier: systemIdentifier ?? undefined,
        timeline: timeline ? parseInt(timeline, 16) : undefined,
        settings: Object.fromEntries(SETTINGS.map((name, index) => [name, values[index] ?? ''])) as Session['settings'],
      };
    },
  };
}
