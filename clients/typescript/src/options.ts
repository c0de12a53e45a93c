/**
 * What calls take, with the names that are on the wire. Times are ISO 8601 strings with a zone, or dates.
 * A test of the server holds the names equal to those of its OpenAPI document.
 */

import type { Kind, Role } from "./results.js";

export type Time = string | Date;
export type Metadata = Record<string, unknown>;
export type Filters = Record<string, unknown>;
export type EventKind = "changes" | "erased" | "reset" | "job.done" | "job.dead";

/** Whose memory: any of the ids. A query sees a memory if every id that it gives equals the memory's. */
export interface ScopeOptions {
  user_id?: string;
  agent_id?: string;
  app_id?: string;
  run_id?: string;
}

/** One utterance: who said it, what, and when. `id` is yours, and is kept. */
export interface Message {
  content: string;
  role?: string;
  name?: string;
  id?: string;
  timestamp?: Time;
  metadata?: Metadata;
}

/** How one call is made: `signal` stops it. */
export interface CallOptions {
  signal?: AbortSignal;
}

export interface AddOptions extends ScopeOptions {
  metadata?: Metadata;
  infer?: boolean;
  expires_at?: Time;
  idempotency_key?: string;
  instructions?: string;
  procedures?: boolean;
  wait?: number;
}

export interface SearchOptions extends ScopeOptions {
  limit?: number;
  min_score?: number;
  filters?: Filters;
  kinds?: Kind[];
  include_expired?: boolean;
  include_superseded?: boolean;
  all_scopes?: boolean;
  as_of?: Time;
  known_at?: Time;
  explain?: boolean;
}

export interface ContextOptions extends ScopeOptions {
  max_tokens?: number;
  format?: "text" | "markdown" | "xml" | "messages";
  min_score?: number;
  filters?: Filters;
  kinds?: Kind[];
  include_superseded?: boolean;
  all_scopes?: boolean;
  as_of?: Time;
  known_at?: Time;
}

export interface TraceOptions extends ScopeOptions {
  expect?: string[];
  limit?: number;
  min_score?: number;
  filters?: Filters;
  kinds?: Kind[];
  include_expired?: boolean;
  include_superseded?: boolean;
  max_tokens?: number;
  all_scopes?: boolean;
  as_of?: Time;
  known_at?: Time;
}

export interface GetAllOptions extends ScopeOptions {
  limit?: number;
  cursor?: string;
  filters?: Filters;
  kinds?: Kind[];
  include_expired?: boolean;
  include_superseded?: boolean;
  all_scopes?: boolean;
  as_of?: Time;
  known_at?: Time;
}

/** What is not given stays as it is; `expires_at: null` removes an expiry. */
export interface UpdateOptions extends ScopeOptions {
  text?: string;
  metadata?: Metadata;
  expires_at?: Time | null;
  reason?: string;
}

export interface ReasonOptions extends ScopeOptions {
  reason?: string;
}

export interface UndoOptions extends ScopeOptions {
  cascade?: boolean;
}

export interface EraseOptions extends ScopeOptions {
  ids?: string[];
  reason?: string;
}

export interface ProfileOptions extends ScopeOptions {
  max_tokens?: number;
  as_of?: Time;
  known_at?: Time;
}

export interface UsageOptions extends ScopeOptions {
  since?: Time;
  until?: Time;
}

export interface FlushOptions extends ScopeOptions {
  timeout?: number;
}

export interface JobOptions extends ScopeOptions {
  job_id?: string;
}

export interface PageOptions {
  cursor?: string;
  limit?: number;
}

export interface ScopedPageOptions extends ScopeOptions {
  cursor?: string;
  limit?: number;
}

export interface MessagesOptions extends ScopeOptions {
  cursor?: string;
  limit?: number;
  newest_first?: boolean;
}

export interface EventsOptions extends ScopeOptions {
  after?: number;
  limit?: number;
  kinds?: EventKind[];
  newest_first?: boolean;
  texts?: boolean;
}

export interface FollowOptions extends ScopeOptions {
  after?: number;
  kinds?: EventKind[];
  texts?: boolean;
}

export interface KeysOptions {
  cursor?: string;
  limit?: number;
  tenant?: string;
}

export interface CreateKeyOptions extends ScopeOptions {
  role?: Role;
  tenant?: string;
  expires_at?: Time;
}

export interface RotateKeyOptions {
  overlap_seconds?: number;
}

export interface CreateWebhookOptions extends ScopeOptions {
  name?: string;
  kinds?: EventKind[];
  is_active?: boolean;
  secret?: string;
}

export interface CreateTenantOptions {
  name?: string;
}

export interface AuditOptions {
  cursor?: string;
  limit?: number;
  tenant?: string;
  key_id?: string;
  operation?: string;
  since?: Time;
  until?: Time;
}

export interface ExportOptions extends ScopeOptions {
  all_scopes?: boolean;
  include_retired?: boolean;
}

export interface ImportOptions extends ScopeOptions {
  format?: "messages" | "openai" | "claude" | "sessions" | "keepstone";
}
