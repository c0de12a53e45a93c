import { ConnectionError, KeepstoneError, ProblemError, TimedOutError, errorOf } from "./errors.js";

export interface ClientOptions {
  /** Where the server is; by default this machine at the usual port. */
  url?: string;
  /** A key of the server, `ks_…`. Never put one into a page that others can open, unless it is pinned and read-only. */
  apiKey: string;
  /** Seconds for one try, beside what the server is asked to wait; 60 by default. */
  timeout?: number;
  /** How often a request is tried where asking again does nothing twice; 4 by default. */
  attempts?: number;
  /** What sends requests; by default that of the platform. */
  fetch?: typeof fetch;
}

/** One request; what is undefined is left out. */
export interface Asked {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  query?: object;
  body?: object | BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Seconds that the server is asked to wait. */
  waits?: number;
  /** The answer holds a secret, and is kept nowhere: it is asked for once. */
  hasSecret?: boolean;
  /** The answer is read as it comes, without an end in time. */
  isStream?: boolean;
}

const API = "/api/v1";
const RETRYABLE = new Set([408, 429, 502, 503, 504]);
// Answered before anything is done.
const NOTHING_DONE = new Set([429, 503]);
const WAIT_SECONDS_MAX = 60;

/** Sends requests with a key to one server. */
export class Connection {
  readonly url: string;
  readonly #apiKey: string;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.url = (options.url ?? "http://127.0.0.1:8765").replace(/\/+$/, "");
    if (!/^https?:\/\/[^/]/.test(this.url)) throw new KeepstoneError(`${this.url} is not the URL of a server.`);
    if (!/^[\x21-\x7e]+$/.test(options.apiKey ?? "")) throw new KeepstoneError("There is no key: give apiKey.");
    this.#apiKey = options.apiKey;
    this.#timeout = options.timeout ?? 60;
    this.#attempts = Math.max(1, options.attempts ?? 4);
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The JSON of the answer; null if it is empty. */
  async json<T>(asked: Asked): Promise<T> {
    const text = await this.#repeated(asked, (response) => response.text());
    try {
      return (text === "" ? null : JSON.parse(text)) as T;
    } catch (error) {
      throw new KeepstoneError("The reply is not JSON; is this a Keepstone server?", { cause: error });
    }
  }

  /** The answer itself, to be read as it comes. */
  async stream(asked: Asked): Promise<Response> {
    return this.#once({ ...asked, isStream: true }, {}, async (response) => response);
  }

  async #repeated<T>(asked: Asked, read: (response: Response) => Promise<T>): Promise<T> {
    const isRepeatable = asked.method === "GET" || (asked.method === "POST" && asked.hasSecret !== true);
    const isKept = isRepeatable && asked.method === "POST" && this.#attempts > 1;
    const key: Record<string, string> = isKept ? { "Idempotency-Key": crypto.randomUUID() } : {};
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(asked, key, read);
      } catch (error) {
        if (attempt >= this.#attempts || !mayRepeat(error, isRepeatable)) throw error;
        const told = error instanceof ProblemError ? error.retryAfter : null;
        await pause(Math.min(told ?? 0.25 * 2 ** (attempt - 1) * (0.5 + Math.random()), WAIT_SECONDS_MAX), asked.signal);
      }
    }
  }

  async #once<T>(asked: Asked, key: Record<string, string>, read: (response: Response) => Promise<T>): Promise<T> {
    const ending = new AbortController();
    const stop = (): void => ending.abort(asked.signal?.reason);
    if (asked.signal?.aborted) stop();
    asked.signal?.addEventListener("abort", stop, { once: true });
    let isLate = false;
    const seconds = this.#timeout + (asked.waits ?? 0);
    const timer = setTimeout(() => {
      isLate = true;
      ending.abort();
    }, seconds * 1000);
    try {
      const response = await this.#fetch(this.url + API + asked.path + written(asked.query), {
        method: asked.method,
        headers: { ...typed(asked.body), ...key, ...asked.headers, Authorization: `Bearer ${this.#apiKey}` },
        redirect: "error",
        signal: ending.signal,
        ...bodyOf(asked.body),
      });
      if (!response.ok) throw await errorOf(response);
      return await read(response);
    } catch (error) {
      if (error instanceof KeepstoneError) throw error;
      if (isLate) throw new TimedOutError(`No answer in ${seconds} s.`, { cause: error });
      if (asked.signal?.aborted) throw error;
      throw new ConnectionError(`${this.url} cannot be reached.`, { cause: error });
    } finally {
      clearTimeout(timer);
      // Who reads a stream goes on listening for its end.
      if (asked.isStream !== true) asked.signal?.removeEventListener("abort", stop);
    }
  }
}

function mayRepeat(error: unknown, isRepeatable: boolean): boolean {
  if (error instanceof ConnectionError) return isRepeatable;
  if (!(error instanceof ProblemError)) return false;
  const isInWork = error.status === 409 && error.retryAfter !== null;
  return isInWork || NOTHING_DONE.has(error.status) || (RETRYABLE.has(error.status) && isRepeatable);
}

/** An object as the query of a URL: lists are repeated, objects are JSON. */
function written(query: object | undefined): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === null) continue;
      const isPlain = typeof one !== "object" || one instanceof Date;
      parts.append(name, isPlain ? (one instanceof Date ? one.toISOString() : String(one)) : JSON.stringify(one));
    }
  }
  const text = parts.toString();
  return text === "" ? "" : `?${text}`;
}

function isJson(body: object | BodyInit): boolean {
  return Object.getPrototypeOf(body) === Object.prototype;
}

function typed(body: object | BodyInit | undefined): Record<string, string> {
  return body !== undefined && isJson(body) ? { "Content-Type": "application/json" } : {};
}

function bodyOf(body: object | BodyInit | undefined): { body?: BodyInit } {
  if (body === undefined) return {};
  return { body: isJson(body) ? JSON.stringify(body) : (body as BodyInit) };
}

function pause(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

export { pause };
