//! Every limit in one place. A limit answers with a clear error; nothing grows without bound.

/// One request body as it comes over the wire, and after decompression.
pub const BODY_BYTES: usize = 4 * 1024 * 1024;
pub const BODY_BYTES_INFLATED: usize = 16 * 1024 * 1024;
/// Segment states 32 KB an event; the same holds for every way in.
pub const TOUCH_BYTES: usize = 32 * 1024;
/// Touches in one request (Segment states 2,500; NDJSON imports send more).
pub const BATCH_TOUCHES: usize = 10_000;
pub const PROPERTIES: usize = 256;
pub const PROPERTY_KEY_BYTES: usize = 128;
pub const KIND_BYTES: usize = 64;
pub const NAME_BYTES: usize = 64;
pub const ALIAS_BYTES: usize = 256;
pub const ALIASES_PER_TOUCH: usize = 8;
pub const ALIASES_PER_PERSON: usize = 64;
pub const PRODUCTS_PER_TOUCH: usize = 100;
pub const BONDS_PER_PERSON: usize = 10_000;
/// A merge or split refolds this many touches at most; the older ones stay counted, unread.
pub const REFOLD_TOUCHES: usize = 200_000;
pub const MODEL_BYTES: usize = 256 * 1024;
pub const JOURNEY_BYTES: usize = 256 * 1024;
pub const JOURNEYS: usize = 1_000;
pub const PLACES: usize = 100_000;
pub const CAMPAIGNS: usize = 100_000;
pub const POLYGON_POINTS: usize = 512;
/// How far in the past and the future a touch's own time may lie, seen from its arrival.
pub const TOUCH_AGE_MS: i64 = 20 * 366 * 86_400_000;
pub const TOUCH_AHEAD_MS: i64 = 86_400_000;
/// Requests that wait for the log before new ones get 503 with Retry-After.
pub const QUEUE_REQUESTS: usize = 4_096;
/// Refused items kept for listing and retrying; the oldest go first.
pub const REFUSED_KEPT: usize = 10_000;
/// Open server-sent event streams.
pub const STREAMS: usize = 20_000;
pub const STREAMS_PER_PERSON: usize = 16;
/// A list's page.
pub const PAGE: usize = 50;
pub const PAGE_MAX: usize = 500;
pub const GRAPH_NODES: usize = 500;
