// The calls that every driver sends through its SDK, and the kind that each must arrive as.
// A run has its own ids, so that drivers can run against one server again and again.

export function runOf(argv) {
  const [url, key, run = Date.now().toString(36)] = argv;
  if (!url || !key) {
    console.error("usage: <driver> <server's url> <write key> [run id, up to 12 letters]");
    process.exit(2);
  }
  return { url: url.replace(/\/$/, ""), key, run };
}

export function calls(run) {
  const userId = `user-${run}`;
  const anonymousId = `anon-${run}`;
  return [
    {
      call: "page",
      kind: "page.viewed",
      anonymousId,
      name: "Printers",
      properties: { url: `https://shop.example/printers?utm_campaign=spring-${run}` },
    },
    { call: "screen", kind: "screen.viewed", anonymousId, name: "Home", properties: { width: 390 } },
    {
      call: "identify",
      kind: "person.identified",
      userId,
      traits: { email: `${run}@example.com`, name: "Änne Beispiel", plan: "gold" },
    },
    {
      call: "track",
      kind: "order.placed",
      userId,
      event: "Order Completed",
      properties: {
        order_id: `order-${run}`,
        revenue: 299,
        total: 310.5,
        currency: "USD",
        products: [{ product_id: "09506000134352", serial: `S-${run}`, price: 299, quantity: 1 }],
      },
    },
    {
      call: "track",
      kind: "event.coffee_brewed",
      userId,
      event: "Coffee Brewed",
      properties: { cups: 2 },
    },
    { call: "group", kind: "person.grouped", userId, groupId: `acct-${run}`, traits: { name: "Initech" } },
    { call: "alias", kind: "person.aliased", userId, previousId: anonymousId },
  ];
}

/** What a driver prints: one line of JSON. */
export function report(sdk, run, sent) {
  console.log(JSON.stringify({ sdk, run, sent }));
}
