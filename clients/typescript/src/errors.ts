import type { Problem } from "./results.js";

/** What a server refused, or what kept it from answering. */
export class KeepstoneError extends Error {
  override readonly name: string = "KeepstoneError";
}

/** The server answered with a problem (RFC 9457): `code` names its kind, as in `not_found`. */
export class ProblemError extends KeepstoneError {
  override readonly name: string = "ProblemError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What is in the way of a write, by id. */
    readonly blocking: readonly string[] = [],
    readonly requestId: string | null = null,
    /** After how many seconds trying again can help. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** An argument is wrong; nothing was stored. */
export class InvalidRequestError extends ProblemError {
  override readonly name = "InvalidRequestError";
}

/** The key is not valid. */
export class AuthenticationError extends ProblemError {
  override readonly name = "AuthenticationError";
}

/** The key is valid, and may not do this. */
export class PermissionDeniedError extends ProblemError {
  override readonly name = "PermissionDeniedError";
}

/** There is no such thing in the scope; a foreign id looks the same. */
export class NotFoundError extends ProblemError {
  override readonly name = "NotFoundError";
}

/** It contradicts what is stored by now; `blocking` names the ids in the way. */
export class ConflictError extends ProblemError {
  override readonly name = "ConflictError";
}

/** Too many requests with this key. */
export class RateLimitError extends ProblemError {
  override readonly name = "RateLimitError";
}

/** The server, or a provider behind it, failed or is busy. */
export class ServerError extends ProblemError {
  override readonly name = "ServerError";
}

/** There was no answer: the server cannot be reached, or the connection broke. */
export class ConnectionError extends KeepstoneError {
  override readonly name: string = "ConnectionError";
}

/** There was no answer in time. */
export class TimedOutError extends ConnectionError {
  override readonly name = "TimedOutError";
}

type Kind = new (...args: ConstructorParameters<typeof ProblemError>) => ProblemError;

const KINDS: Readonly<Record<number, Kind>> = {
  400: InvalidRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  413: InvalidRequestError,
  422: InvalidRequestError,
  429: RateLimitError,
};

/** The error that an answer stands for. */
export async function errorOf(response: Response): Promise<ProblemError> {
  const retryAfter = secondsOf(response.headers.get("retry-after"));
  const isProblem = (response.headers.get("content-type") ?? "").startsWith("application/problem+json");
  const problem = isProblem ? ((await response.json().catch(() => ({}))) as Partial<Problem>) : null;
  if (problem === null) {
    await response.body?.cancel();
    const message = `answered ${response.status}, and not as a Keepstone server does; is this its URL?`;
    return new ServerError(response.status, "unknown", message, [], null, retryAfter);
  }
  const kind = KINDS[response.status] ?? ServerError;
  return new kind(
    response.status,
    problem.code ?? "unknown",
    problem.detail ?? response.statusText,
    problem.blocking ?? [],
    problem.request_id ?? null,
    retryAfter,
  );
}

function secondsOf(value: string | null): number | null {
  if (value === null) return null;
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
