// They tell our files from those of other programs (SQLite, "Application ID"). The two differ in three bits, so that no
// single one makes a snapshot look like a database.

/** Of a database: "evst". */
export const DATABASE_ID = 0x65767374;

/** Of a snapshot that nobody has opened as a store: "evss". */
export const SNAPSHOT_ID = 0x65767373;
