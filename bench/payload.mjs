/** An order of its own, some 200 bytes as JSON. */
export function order(index) {
  return {
    orderId: `order-${index}`,
    customer: { name: `Customer ${index % 977}`, country: 'NL', isMember: index % 3 === 0 },
    lines: [
      { sku: `sku-${index % 71}`, quantity: 1 + (index % 4), price: 19.95 },
      { sku: `sku-${index % 37}`, quantity: 2, price: 4.5 },
    ],
    note: 'Leave it with the neighbours.',
  };
}
