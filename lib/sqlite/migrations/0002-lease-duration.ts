/** How long a lease was given for: one that ends later than that from now was given before the clock was set back. */
export const leaseDuration = `
  ALTER TABLE leases ADD COLUMN duration_ms REAL;
`;
