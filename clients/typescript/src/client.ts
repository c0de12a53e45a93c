import { Connection, pause, type Asked, type ClientOptions } from "./connection.js";
import { ConnectionError, KeepstoneError } from "./errors.js";
import type * as options from "./options.js";
import type * as results from "./results.js";

type Call = options.CallOptions;

/** A page of something; `next_cursor` of one is `cursor` of the next, and null on the last. */
export interface Listing<T> {
  items: T[];
  next_cursor: string | null;
}

// The longest that a server waits for a model before it answers.
const WAIT_SECONDS_MAX = 60;
const RECONNECT_SECONDS = 1;

/** A memory that a Keepstone server keeps. Options and results have the names that are on the wire. */
export class Client {
  readonly #connection: Connection;

  constructor(settings: ClientOptions) {
    this.#connection = new Connection(settings);
  }

  /** Where the server is. */
  get url(): string {
    return this.#connection.url;
  }

  /** Keep what was said, durably, and return exactly what was stored and what was there already. */
  add(
    messages: string | options.Message | options.Message[],
    given: options.AddOptions = {},
    call: Call = {},
  ): Promise<results.AddResult> {
    const wait = Math.min(given.wait ?? WAIT_SECONDS_MAX, WAIT_SECONDS_MAX);
    return this.#post("/memories", { messages, ...given, wait }, call, { waits: wait });
  }

  /** The memories of a scope that best match a query, best first. */
  search(query: string, given: options.SearchOptions = {}, call: Call = {}): Promise<results.Hit[]> {
    return this.#items("POST", "/search", { query, ...given }, call);
  }

  /** The most evidence for a query that fits into a token budget, as text for a prompt, with citations. */
  context(query: string, given: options.ContextOptions = {}, call: Call = {}): Promise<results.Context> {
    return this.#post("/context", { query, ...given }, call);
  }

  /** How a question is answered, and where each expected memory was lost on the way. */
  trace(question: string, given: options.TraceOptions = {}, call: Call = {}): Promise<results.Trace> {
    return this.#post("/trace", { question, ...given }, call);
  }

  /** One memory; with a scope, only if that scope sees it. */
  get(id: string, given: options.ScopeOptions = {}, call: Call = {}): Promise<results.MemoryRecord> {
    return this.#get(`/memories/${part(id)}`, given, call);
  }

  /** A page of the memories of a scope in the order of their sequence. */
  getAll(given: options.GetAllOptions = {}, call: Call = {}): Promise<results.Page> {
    return this.#get("/memories", given, call);
  }

  /** Give a memory a new text, new metadata (as a whole) or another expiry, and return it. */
  update(id: string, given: options.UpdateOptions, call: Call = {}): Promise<results.MemoryRecord> {
    return this.#connection.json({ method: "PATCH", path: `/memories/${part(id)}`, body: given, ...call });
  }

  /** Take a memory back: nothing but its history shows it again, and `undo` brings it back. */
  delete(id: string, given: options.ReasonOptions = {}, call: Call = {}): Promise<results.Change> {
    return this.#delete(`/memories/${part(id)}`, given, call);
  }

  /** Take back every memory of a scope, in one batch, and return how many. */
  deleteAll(given: options.ReasonOptions, call: Call = {}): Promise<number> {
    return this.#count({ method: "DELETE", path: "/memories", query: given, ...call });
  }

  /** Every change of a memory, oldest first, deleted ones included. */
  history(id: string, given: options.ScopeOptions = {}, call: Call = {}): Promise<results.Change[]> {
    return this.#items("GET", `/memories/${part(id)}/history`, given, call);
  }

  /** Take one change, or a whole batch, back by its id, and return the changes that did it. */
  undo(id: string, given: options.UndoOptions = {}, call: Call = {}): Promise<results.Change[]> {
    return this.#items("POST", "/undo", { id, ...given }, call);
  }

  /** Remove every copy of memories or messages by id, or of everything in a scope; it cannot be undone. */
  erase(given: options.EraseOptions, call: Call = {}): Promise<results.ErasureReceipt> {
    return this.#post("/erase", given, call);
  }

  /** Empty the tenant of the key: memories, messages, history, everything. */
  async reset(given: { confirm: true }, call: Call = {}): Promise<void> {
    await this.#post("/reset", given, call);
  }

  /** Say that a memory was positive, negative or very negative to have. */
  feedback(
    id: string,
    value: "positive" | "negative" | "very_negative",
    given: options.ReasonOptions = {},
    call: Call = {},
  ): Promise<results.Change> {
    return this.#post(`/memories/${part(id)}/feedback`, { value, ...given }, call);
  }

  /** What is true of a user now, in sections, dated, each line with its sources. */
  profile(given: options.ProfileOptions, call: Call = {}): Promise<results.Profile> {
    return this.#get("/profile", given, call);
  }

  /** The people, places, organisations and things that the memories of a scope mention. */
  entities(given: options.ScopeOptions, call: Call = {}): Promise<results.Entity[]> {
    return this.#items("GET", "/entities", given, call);
  }

  /** Take one entity to be another, and return what both are now. */
  mergeEntities(
    id: string,
    into: string,
    given: options.ReasonOptions = {},
    call: Call = {},
  ): Promise<results.Entity> {
    return this.#post(`/entities/${part(id)}/merge`, { into, ...given }, call);
  }

  /** Take an entity out of what it was merged into, and return it. */
  splitEntity(id: string, given: options.ScopeOptions = {}, call: Call = {}): Promise<results.Entity> {
    return this.#post(`/entities/${part(id)}/split`, given, call);
  }

  /** Counts of what a scope holds; without one, of all that the key sees. */
  stats(given: options.ScopeOptions = {}, call: Call = {}): Promise<results.Stats> {
    return this.#get("/stats", given, call);
  }

  /** What the calls of chat models cost for a scope. */
  usage(given: options.UsageOptions = {}, call: Call = {}): Promise<results.Usage> {
    return this.#get("/usage", given, call);
  }

  /** The jobs of a scope that wait, run, or are dead letters, oldest first. */
  jobs(given: options.ScopeOptions = {}, call: Call = {}): Promise<results.JobStatus[]> {
    return this.#items("GET", "/jobs", given, call);
  }

  /** Wait for what is due in the queue of a scope, and return what is still there. */
  flush(given: options.FlushOptions = {}, call: Call = {}): Promise<results.JobStatus[]> {
    return this.#items("POST", "/flush", given, call, { waits: given.timeout ?? 30 });
  }

  /** Let a dead letter, or all of a scope, be tried anew, and return how many. */
  retry(given: options.JobOptions = {}, call: Call = {}): Promise<number> {
    return this.#count({ method: "POST", path: "/jobs/retry", body: given, ...call });
  }

  /** Give a dead letter, or all of a scope, up for good, and return how many. */
  discard(given: options.JobOptions = {}, call: Call = {}): Promise<number> {
    return this.#count({ method: "POST", path: "/jobs/discard", body: given, ...call });
  }

  /** Merge distilled memories of a scope that say the same, in one batch, and return its changes. */
  consolidate(given: options.ScopeOptions, call: Call = {}): Promise<results.Change[]> {
    return this.#items("POST", "/consolidate", given, call);
  }

  /** A page of the messages of a scope as they were said. */
  messages(given: options.MessagesOptions = {}, call: Call = {}): Promise<Listing<results.LedgerMessage>> {
    return this.#get("/messages", given, call);
  }

  /** A page of the conversations that a scope sees, those of the newest scopes first. */
  conversations(given: options.ScopedPageOptions = {}, call: Call = {}): Promise<Listing<results.Conversation>> {
    return this.#get("/conversations", given, call);
  }

  /** A page of the changes that a scope sees, the newest first. */
  changes(given: options.ScopedPageOptions = {}, call: Call = {}): Promise<Listing<results.Change>> {
    return this.#get("/changes", given, call);
  }

  /** A page of what was committed after a sequence. */
  events(given: options.EventsOptions = {}, call: Call = {}): Promise<results.Events> {
    return this.#get("/events", given, call);
  }

  /** What is committed after a sequence (by default from now on), as it comes; a broken stream is taken up again. */
  async *follow(given: options.FollowOptions = {}, call: Call = {}): AsyncGenerator<results.ToldEvent, void> {
    let after = given.after;
    for (let hasBegun = false; ; ) {
      try {
        const query = { ...given, after };
        const headers = { Accept: "text/event-stream" };
        const response = await this.#connection.stream({ method: "GET", path: "/events", query, headers, ...call });
        hasBegun = true;
        for await (const line of lines(response)) {
          if (!line.startsWith("data:")) continue;
          const event = JSON.parse(line.slice(5)) as results.ToldEvent;
          after = event.sequence;
          yield event;
        }
      } catch (error) {
        const isBroken = error instanceof ConnectionError || !(error instanceof KeepstoneError);
        if (call.signal?.aborted || !hasBegun || !isBroken) throw error;
      }
      await pause(RECONNECT_SECONDS, call.signal);
    }
  }

  /** The key that asks. */
  whoami(call: Call = {}): Promise<results.KeyAnswer> {
    return this.#get("/whoami", {}, call);
  }

  /** A page of the keys of the tenant, the oldest first, ended ones too. */
  keys(given: options.KeysOptions = {}, call: Call = {}): Promise<Listing<results.KeyAnswer>> {
    return this.#get("/keys", given, call);
  }

  /** Make a key, pinned to the ids that are given; its secret is told only here. */
  createKey(name: string, given: options.CreateKeyOptions = {}, call: Call = {}): Promise<results.NewKeyAnswer> {
    return this.#post("/keys", { name, ...given }, call, { hasSecret: true });
  }

  /** Make a key in the place of another, which ends after the overlap. */
  rotateKey(id: string, given: options.RotateKeyOptions = {}, call: Call = {}): Promise<results.NewKeyAnswer> {
    return this.#post(`/keys/${part(id)}/rotate`, given, call, { hasSecret: true });
  }

  /** Let a key end now. */
  revokeKey(id: string, call: Call = {}): Promise<results.KeyAnswer> {
    return this.#delete(`/keys/${part(id)}`, {}, call);
  }

  /** A page of the tenants by id. */
  tenants(given: options.PageOptions = {}, call: Call = {}): Promise<Listing<results.Tenant>> {
    return this.#get("/tenants", given, call);
  }

  /** Make a tenant; its first key is made with `createKey`. */
  createTenant(id: string, given: options.CreateTenantOptions = {}, call: Call = {}): Promise<results.Tenant> {
    return this.#post("/tenants", { id, ...given }, call);
  }

  /** Remove a tenant with its keys and webhooks, and erase all its memory; it cannot be undone. */
  async dropTenant(id: string, given: { confirm: true }, call: Call = {}): Promise<void> {
    await this.#delete(`/tenants/${part(id)}`, given, call);
  }

  /** The webhooks of the tenant, the oldest first. */
  webhooks(call: Call = {}): Promise<results.WebhookAnswer[]> {
    return this.#items("GET", "/webhooks", {}, call);
  }

  /** Send events to a URL from now on; the secret that signs them is told only here. */
  createWebhook(
    url: string,
    given: options.CreateWebhookOptions = {},
    call: Call = {},
  ): Promise<results.WebhookAnswer> {
    return this.#post("/webhooks", { url, ...given }, call);
  }

  /** Remove a webhook with its deliveries. */
  async dropWebhook(id: string, call: Call = {}): Promise<void> {
    await this.#delete(`/webhooks/${part(id)}`, {}, call);
  }

  /** A page of what was sent to a webhook, waits, or is dead after its last attempt; the newest first. */
  deliveries(id: string, given: options.PageOptions = {}, call: Call = {}): Promise<Listing<results.Delivery>> {
    return this.#get(`/webhooks/${part(id)}/deliveries`, given, call);
  }

  /** A page of who asked for what and what came of it, the newest first. */
  audit(given: options.AuditOptions = {}, call: Call = {}): Promise<Listing<results.AuditEntry>> {
    return this.#get("/audit", given, call);
  }

  /** The archive of a scope, JSON a line, as it comes. */
  async export(given: options.ExportOptions, call: Call = {}): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#connection.stream({ method: "POST", path: "/export", body: given, ...call });
    return response.body ?? new ReadableStream();
  }

  /** Add the messages of a file, or put an archive back; a second time adds nothing. */
  import(content: Blob | Uint8Array<ArrayBuffer>, given: options.ImportOptions = {}, call: Call = {}): Promise<results.Imported> {
    const body = content instanceof Blob ? content : new Blob([content]);
    return this.#connection.json({ method: "POST", path: "/import", query: given, body, waits: 600, ...call });
  }

  #get<T>(path: string, query: object, call: Call): Promise<T> {
    return this.#connection.json({ method: "GET", path, query, ...call });
  }

  #delete<T>(path: string, query: object, call: Call): Promise<T> {
    return this.#connection.json({ method: "DELETE", path, query, ...call });
  }

  #post<T>(path: string, body: object, call: Call, more: Partial<Asked> = {}): Promise<T> {
    return this.#connection.json({ method: "POST", path, body, ...more, ...call });
  }

  async #items<T>(method: "GET" | "POST", path: string, given: object, call: Call, more: Partial<Asked> = {}): Promise<T[]> {
    const asked = method === "GET" ? { query: given } : { body: given };
    return (await this.#connection.json<{ items: T[] }>({ method, path, ...asked, ...more, ...call })).items;
  }

  async #count(asked: Asked): Promise<number> {
    return (await this.#connection.json<{ count: number }>(asked)).count;
  }
}

/** An id as a part of a path. */
function part(id: string): string {
  // A path with it would mean another one.
  if (typeof id !== "string" || /^\.*$/.test(id)) throw new KeepstoneError(`${JSON.stringify(id)} is not an id.`);
  return encodeURIComponent(id);
}

async function* lines(response: Response): AsyncGenerator<string, void> {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const found = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = found.pop() ?? "";
      yield* found;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
