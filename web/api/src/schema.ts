/**
 * The shapes of the HTTP interface that the screens use, in the form that openapi-typescript
 * writes (`components["schemas"][name]`). This is the one file that a generator may replace:
 * `index.ts` gives the shapes their short names and nothing else reads this file.
 */
export interface components {
  schemas: {
    Problem: {
      type?: string;
      code: string;
      status: number;
      title: string;
      detail?: string | null;
      hint?: string | null;
      at?: { path?: string; line?: number; column?: number } | null;
    };
    Money: { amount: string; currency: string };
    Reason: { code: string; text: string };
    OfferValue: {
      /** `off`: money off. `percent`: `amount` is a percentage. `points`, `free`, others: words. */
      kind: string;
      amount?: string | null;
      currency?: string | null;
      text?: string | null;
    };
    Product: {
      gtin: string;
      serial: string | null;
      name: string;
      brand: string;
      image: string | null;
      state: Record<string, unknown> | null;
      attributes: Record<string, unknown>;
      price: components["schemas"]["Money"] | null;
      claimable: boolean;
    };
    StageStep: { id: string; title: string; state: "past" | "now" | "ahead" };
    Bond: {
      journey: string;
      version: number;
      kind: string;
      stage: { id: string; title: string; text: string | null };
      since: string;
      role: string;
      stages: components["schemas"]["StageStep"][];
    };
    MenuItem: {
      id: string;
      title: string;
      text: string | null;
      icon: string | null;
      open: string | null;
      rank: number;
      reason: components["schemas"]["Reason"] | null;
    };
    Offer: {
      id: string;
      title: string;
      text: string | null;
      value: components["schemas"]["OfferValue"] | null;
      code: string | null;
      qr: string | null;
      until: string | null;
      redeemed: boolean;
      reason: components["schemas"]["Reason"] | null;
    };
    Step: {
      id: string;
      title: string;
      text: string | null;
      open: string | null;
      state: "done" | "next" | "open" | "locked";
      reason: components["schemas"]["Reason"] | null;
    };
    Decision: {
      id: string;
      menu: components["schemas"]["MenuItem"][];
      offers: components["schemas"]["Offer"][];
      steps: components["schemas"]["Step"][];
    };
    GuideStep: { title: string; text: string | null; image: string | null };
    Guide: {
      id: string;
      title: string;
      minutes: number | null;
      steps: components["schemas"]["GuideStep"][];
    };
    Question: { q: string; a: string };
    Supply: { title: string; text: string | null; price: components["schemas"]["Money"] | null };
    Content: {
      guides: components["schemas"]["Guide"][];
      training: components["schemas"]["Guide"][];
      faq: components["schemas"]["Question"][];
      supplies: components["schemas"]["Supply"][];
    };
    ParcelEvent: { time: string; text: string; place: string | null };
    Parcel: {
      status: string;
      carrier: string | null;
      number: string | null;
      eta: string | null;
      events: components["schemas"]["ParcelEvent"][];
    };
    Message: {
      id: string;
      title: string;
      text: string | null;
      open: string | null;
      time: string;
      read: boolean;
    };
    Referral: {
      url: string;
      qr: string | null;
      visits: number;
      orders: number;
      thanks: string | null;
    };
    Permission: {
      purpose: string;
      title: string;
      gives: string;
      given: boolean;
      changed: string | null;
    };
    Page: {
      access: "public" | "prospect" | "owner";
      product: components["schemas"]["Product"];
      bond: components["schemas"]["Bond"] | null;
      decision: components["schemas"]["Decision"] | null;
      content: Partial<components["schemas"]["Content"]> | null;
      parcel: components["schemas"]["Parcel"] | null;
      messages: components["schemas"]["Message"][];
      referral: components["schemas"]["Referral"] | null;
      permissions: components["schemas"]["Permission"][];
      live: string | null;
      yours?: string | null;
    };
    Session: { person: string | null; locale: string | null };
    WhyItem: {
      id: string;
      kind?: string | null;
      title?: string | null;
      shown: boolean;
      reason: components["schemas"]["Reason"] | null;
      /** Each piece of data that the rule read: a name and its value. */
      data?: Record<string, unknown> | unknown[] | null;
      /** The purposes whose permission, switched off, would take this away. */
      switch_off?: string[] | null;
    };
    Why: { decision: string; time?: string | null; items: components["schemas"]["WhyItem"][] };
    Alias: { kind: string; value: string; since: string | null; because: string | null };
    MyBond: {
      gtin: string;
      serial: string | null;
      name: string;
      stage: string;
      role: string;
      begun: string;
    };
    TimelineEntry: {
      time: string;
      kind: string;
      text: string;
      source: string | null;
      place: string | null;
    };
    Lookup: { time: string; who: string; why: string | null };
    Me: {
      person: string | null;
      aliases: components["schemas"]["Alias"][];
      traits: Record<string, unknown>;
      bonds: components["schemas"]["MyBond"][];
      permissions: components["schemas"]["Permission"][];
      points: number;
      timeline: components["schemas"]["TimelineEntry"][];
      next: string | number | null;
      lookups: components["schemas"]["Lookup"][];
    };
    Wiped: { receipt: { id: string; url: string } };
    Receipt: {
      id: string;
      wiped_at: string;
      records: number;
      purged_at: string | null;
      complete: boolean;
      statement: string;
      signature: { alg: string; key: string; value: string; signed: string };
    };
    Said: {
      id: string;
      kind: string;
      mine: boolean;
      from: string;
      text: string;
      time: string;
    };
    Conversation: { messages: components["schemas"]["Said"][] };
    HelpSent: { id: string; sent: boolean };
    /** What an owner's screen may report; the server sets who it was. */
    OwnTouch: {
      id: string;
      kind: string;
      gtin: string;
      serial?: string | null;
      time?: string;
      properties?: Record<string, unknown>;
    };
  };
}
