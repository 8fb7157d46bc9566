/** Documents beside the log, by collection and key: JSON texts, which the store makes of events. */
export const documents = (schema: string): string => `
  CREATE TABLE ${schema}.documents (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    document text NOT NULL,
    PRIMARY KEY (collection, key)
  )
`;
