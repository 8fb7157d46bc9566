import type { Failover } from './failover.js';

/** What was done, in sentences. */
export function describe({ alpha, beta, orders, parcels }: Failover): string {
  const packedBy = (name: string): number => parcels.filter((parcel) => parcel.packedBy === name).length;
  return [
    `Orders in the store: ${orders.length}`,
    `Parcels:             ${parcels.length}, of which ${packedBy(alpha.name)} by alpha and ${packedBy(beta.name)} by beta`,
    `Came again to beta:  ${beta.repeats}, which it knew by their ids`,
  ].join('\n');
}

/** Which promises were broken. */
export function brokenPromises({ alpha, beta, orders, parcels }: Failover): string[] {
  const kept = new Set(orders);
  const packed = new Set(parcels.map(({ order }) => order));
  const lost = [...alpha.taken, ...beta.taken].filter((order) => !kept.has(order));
  const forgotten = orders.filter((order) => !packed.has(order));
  const misplaced = parcels.filter(({ order }, index) => order !== orders[index]);
  const takenOver = parcels.findIndex(({ packedBy }) => packedBy === beta.name);
  const late = takenOver === -1 ? [] : parcels.slice(takenOver).filter(({ packedBy }) => packedBy === alpha.name);
  return [
    [lost.length, 'orders were taken and are not in the store'],
    [forgotten.length, 'orders were not packed'],
    [misplaced.length, 'parcels are not in the order of the log'],
    [late.length, 'parcels are by alpha when beta had begun'],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`BROKEN: ${count} ${what}.`]));
}
