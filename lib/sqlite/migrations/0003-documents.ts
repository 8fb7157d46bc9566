/** Documents beside the log, by collection and key: JSON texts, which the store makes of events. */
export const documents = `
  CREATE TABLE documents (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT;
`;
