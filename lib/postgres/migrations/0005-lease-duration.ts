/** How long a lease was given for: one that ends later than that from now was given before the clock was set back. */
export const leaseDuration = (schema: string): string => `
  ALTER TABLE ${schema}.leases ADD COLUMN duration_ms double precision
`;
