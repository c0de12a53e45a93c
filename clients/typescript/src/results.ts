/**
 * What a server answers, with the names that are on the wire. Times are ISO 8601 with a zone.
 * A test of the server holds names and fields equal to those of its OpenAPI document.
 */

/** One retrievable statement, in its current revision. */
export interface MemoryRecord {
  id: string;
  text: string;
  kind: Kind;
  scope: Scope;
  status: Status;
  revision: number;
  sequence: number;
  metadata: Record<string, unknown>;
  categories: string[];
  language: string;
  role: string | null;
  name: string | null;
  sources: string[];
  occurred_at: string | null;
  valid_from: string | null;
  valid_to: string | null;
  created_at: string;
  updated_at: string;
  expires_at: string | null;
  importance: number;
  trust: number;
  edited: boolean;
  strength: number;
  superseded_by: string | null;
  derived_from: string[];
  review: string[];
}

/** What sort of statement a memory is. */
export type Kind = "episode" | "fact" | "procedure" | "profile" | "summary";

/** Whose memory: any subset of the four ids inside one tenant. */
export interface Scope {
  tenant: string;
  user_id: string | null;
  agent_id: string | null;
  app_id: string | null;
  run_id: string | null;
}

/** Whether a memory is believed (`current`), was (`superseded`), was taken back (`retired`) or erased. */
export type Status = "current" | "superseded" | "retired" | "erased";

/** A memory found by a search. */
export interface Hit {
  id: string;
  text: string;
  score: number;
  span: Span;
  memory: MemoryRecord;
  sources: string[];
  explanation: Explanation | null;
  evidence: Evidence[];
  outdated: boolean;
}

/** A half-open range of characters in a text. */
export interface Span {
  start: number;
  end: number;
}

/** Why a hit stands where it stands: its signals, the fused value, and the time spent in each stage (ms). */
export interface Explanation {
  signals: Signal[];
  fused: number;
  timings_ms: Record<string, number>;
}

/** One reason for a hit's place: the raw value, what it added to the rank, and its rank alone (from 1). */
export interface Signal {
  name: string;
  value: number;
  contribution: number;
  rank: number | null;
}

/** The part of an episode that says what a fact says. */
export interface Evidence {
  memory_id: string;
  span: Span;
}

/** One page of memories in the order of their sequence; `next_cursor` is null on the last. */
export interface Page {
  items: MemoryRecord[];
  next_cursor: string | null;
}

/** Memories fitted into a token budget, as text for a prompt, and what they are. */
export interface Context {
  text: string;
  tokens: number;
  max_tokens: number;
  prefix_end: number;
  citations: Citation[];
  left_out: LeftOut[];
  messages: Record<string, string>[];
}

/** A memory that a context shows, and where. */
export interface Citation {
  memory_id: string;
  kind: Kind;
  status: Status;
  sources: string[];
  spans: Span[];
  place: Span;
  score: number | null;
}

/** A memory that was found and is not in the context, and why. */
export interface LeftOut {
  memory_id: string;
  reason: "budget" | "duplicate" | "covered";
  score: number | null;
  other_id: string | null;
}

/** How one question was answered, stage by stage, and what became of the memories expected. */
export interface Trace {
  question: Question;
  language: string;
  terms: string[];
  unknown: string[];
  limit: number;
  min_score: number;
  counts: StageCounts;
  hits: Hit[];
  context: Context;
  expected: Expected[];
  timings_ms: Record<string, number>;
}

/** What a question asks for. */
export interface Question {
  text: string;
  intent: Intent;
  of_asker: boolean;
  of_listener: boolean;
  of_someone: boolean;
  when: boolean;
  how_many: boolean;
  period: [string, string] | null;
}

/** Of which time a question asks: how things stand, how they stood before, or anything. */
export type Intent = "now" | "before" | "any";

/** How much was left after each stage: units (memories, or passages of long ones), then memories. */
export interface StageCounts {
  units: number;
  candidates: number;
  ranked: number;
  scored: number;
  shown: number;
  in_context: number;
}

/** What became of one expected memory. */
export interface Expected {
  id: string;
  stage: Stage;
  reason: string;
  memory_id: string | null;
  text: string | null;
  place: number | null;
  score: number | null;
  fused: number | null;
  signals: Signal[];
  gaps: SignalGap[];
  change: Change | null;
  condition: Record<string, unknown> | null;
  other_id: string | null;
  hit_id: string | null;
  in_context: boolean;
}

/** Where an expected memory was lost, in the order in which that can happen; `found` if it was not. */
export type Stage =
  | "never stored"
  | "no memory"
  | "erased"
  | "retired"
  | "not known then"
  | "not valid then"
  | "superseded"
  | "expired"
  | "filtered"
  | "not a candidate"
  | "below min_score"
  | "below the cut"
  | "not in context"
  | "found";

/** One signal of an expected memory against that of the last one that made it. */
export interface SignalGap {
  name: string;
  own: number | null;
  last: number | null;
}

/** One entry of the history. */
export interface Change {
  id: string;
  batch_id: string;
  sequence: number;
  memory_id: string;
  action: Action;
  old_revision: number | null;
  new_revision: number | null;
  old_text: string | null;
  new_text: string | null;
  actor: string;
  reason: string | null;
  at: string;
  related_id: string | null;
  inverse_of: string | null;
  details: Record<string, unknown>;
}

/** What one entry of the history did. */
export type Action = "ADD" | "UPDATE" | "SUPERSEDE" | "DELETE" | "RESTORE" | "EXPIRE" | "ERASE" | "FEEDBACK";

/** What an `erase` removed, and the proof. */
export interface ErasureReceipt {
  memories: number;
  messages: number;
  changes: number;
  units: number;
  files: string[];
  bytes_scanned: number;
  fragments: number;
  residue: number;
  verified: boolean;
  at: string;
  tombstones: string[];
}

/** Counts of what is stored in a scope, and how. */
export interface Stats {
  messages: number;
  memories: number;
  superseded: number;
  retired: number;
  erased: number;
  changes: number;
  units: number;
  unembedded: number;
  partitions: number;
  embedder: string | null;
  schema_version: number;
  bytes: number | null;
  path: string | null;
}

/** Exactly what an `add` stored, what was there already, and what was taken back. */
export interface AddResult {
  memories: MemoryRecord[];
  messages: string[];
  duplicates: Duplicate[];
  batch_id: string;
  forgotten: Forgotten[];
  suggestions: Suggestion[];
  distilled: Distillation | null;
}

/** A message that was there already. */
export interface Duplicate {
  message_id: string;
  memory_id: string;
  reason: "replay" | "refreshed" | "echo";
}

/** A memory that was taken back because the user asked for it in a message. */
export interface Forgotten {
  memory_id: string;
  text: string;
  change_id: string;
  message_id: string;
}

/** What a message may have asked for and was not done, because it was not clear enough. */
export interface Suggestion {
  action: "forget";
  memory_id: string;
  text: string;
  message_id: string;
  reason: string;
  change_id: string | null;
}

/** What a model made of the messages of one call. */
export interface Distillation {
  status: "done" | "pending" | "failed" | "skipped";
  reason: string | null;
  job_ids: string[];
  batch_ids: string[];
  changes: FactChange[];
  refused: Refused[];
  receipts: Receipt[];
  review: string[];
}

/** One change of the memories that a model proposed and that was carried out. */
export interface FactChange {
  action: Action;
  memory_id: string;
  kind: Kind;
  text: string;
  change_id: string;
  old_text: string | null;
  related_id: string | null;
  sources: string[];
}

/** What a model proposed and the checks did not let through: `reason` is a code, `detail` a sentence. */
export interface Refused {
  text: string;
  reason: string;
  detail: string;
}

/** What one call of a chat model cost. */
export interface Receipt {
  model: string;
  purpose: string;
  prompt: string;
  input_tokens: number;
  output_tokens: number;
  milliseconds: number;
  at: string;
  price_usd: number | null;
  estimated: boolean;
  attempts: number;
}

/** A job in the durable queue: `waiting` for its time or its turn, `running`, or `dead` with its error. */
export interface JobStatus {
  id: string;
  kind: string;
  scope: Scope;
  state: "waiting" | "running" | "dead";
  attempts: number;
  created_at: string;
  due_at: string | null;
  error: string | null;
  reply: string | null;
  payload: Record<string, unknown> | null;
}

/** What the calls of chat models in a scope cost over a time. */
export interface Usage {
  calls: number;
  input_tokens: number;
  output_tokens: number;
  price_usd: number;
  unpriced: number;
  since: string | null;
  until: string | null;
  models: Record<string, number>;
}

/** What is true of a user: lines by section, the newest first in each. */
export interface Profile {
  text: string;
  tokens: number;
  max_tokens: number | null;
  lines: ProfileLine[];
  left_out: ProfileLine[];
  complete: boolean;
}

/** One line of a profile: a fact, or the sentence in which a user said something of themselves. */
export interface ProfileLine {
  section: string;
  text: string;
  memory_id: string;
  kind: Kind;
  sources: string[];
  since: string;
  status: Status;
  slot: string | null;
  speaker: string | null;
  language: string;
}

/** A person, place, organisation or thing that memories mention. */
export interface Entity {
  id: string;
  name: string;
  kind: "person" | "place" | "organisation" | "thing";
  aliases: string[];
  memories: number;
  scope: Scope;
  merged: MergedEntity[];
}

/** An entity that was merged into another, by whom, when and why; `splitEntity` takes it out again by its id. */
export interface MergedEntity {
  id: string;
  name: string;
  into: string;
  actor: string;
  at: string;
  reason: string | null;
}

/** A key, without its secret; the ids are those that it is pinned to. */
export interface KeyAnswer {
  id: string;
  tenant: string;
  name: string;
  role: Role;
  prefix: string;
  user_id: string | null;
  agent_id: string | null;
  app_id: string | null;
  run_id: string | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  replaces: string | null;
}

/** What a key may do: `read`; `write` adds changing memories; `admin` adds erasing, keys, webhooks and audit. */
export type Role = "read" | "write" | "admin";

/** A key with its secret, which is shown only here. */
export interface NewKeyAnswer {
  id: string;
  tenant: string;
  name: string;
  role: Role;
  prefix: string;
  user_id: string | null;
  agent_id: string | null;
  app_id: string | null;
  run_id: string | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  replaces: string | null;
  secret: string;
}

/** A webhook; its secret only in the answer that made or changed it. */
export interface WebhookAnswer {
  id: string;
  name: string;
  url: string;
  kinds: ("changes" | "erased" | "reset" | "job.done" | "job.dead")[];
  user_id: string | null;
  agent_id: string | null;
  app_id: string | null;
  run_id: string | null;
  is_active: boolean;
  created_at: string;
  secret: string | null;
}

/** A project on a server, apart from all others. The tenant `""` is there from the start and runs the server. */
export interface Tenant {
  id: string;
  name: string;
  created_at: string;
}

/** Who asked for what, through which surface, and what came of it; never with content. */
export interface AuditEntry {
  at: string;
  tenant: string;
  key_id: string | null;
  operation: string;
  surface: string;
  status: number;
  scope: Scope;
  target: string | null;
  request_id: string | null;
  sequence: number;
}

/** One utterance as it stands in the ledger; never changed, only erased. */
export interface LedgerMessage {
  id: string;
  external_id: string | null;
  scope: Scope;
  role: string;
  name: string | null;
  content: string;
  metadata: Record<string, unknown>;
  occurred_at: string | null;
  recorded_at: string;
  position: number;
  sequence: number;
}

/** One exact scope with its messages: what was said there, in order. Times are recorded times. */
export interface Conversation {
  scope: Scope;
  messages: number;
  first_at: string | null;
  last_at: string | null;
}

/** An owner of memories (user, agent, app or run) and how much it has; `last_at` is the time of its last change. */
export interface Owner {
  kind: string;
  id: string;
  memories: number;
  messages: number;
  last_at: string | null;
}

/** An event, with the changes of its batch; without their texts, unless these were asked for. */
export interface ToldEvent {
  sequence: number;
  kind: "changes" | "erased" | "reset" | "job.done" | "job.dead";
  scope: Record<string, string | null>;
  at: string;
  batch_id: string | null;
  job_id: string | null;
  changes: Record<string, unknown>[] | null;
  changes_left_out: number;
}

/** A page of events; `next_after` is where the next one begins, null at the end. */
export interface Events {
  items: ToldEvent[];
  next_after: number | null;
}

/** What an import wrote, what was there already, and what was left out and why. */
export interface Imported {
  format: string;
  messages: number;
  memories: number;
  changes: number;
  known: number;
  refreshed: number;
  skipped: Record<string, number>;
  distilled: Record<string, unknown> | null;
}

/** One event on its way to one webhook: `waiting` for its time, `sent`, or `dead` after its last attempt. */
export interface Delivery {
  id: string;
  webhook_id: string;
  event: Event;
  state: "waiting" | "sent" | "dead";
  attempts: number;
  due_at: string | null;
  updated_at: string;
  status: number | null;
  error: string | null;
}

/** Something that was committed. `sequence` grows with every event of the store, in the order of commits. */
export interface Event {
  sequence: number;
  kind: "changes" | "erased" | "reset" | "job.done" | "job.dead";
  scope: Scope;
  at: string;
  batch_id: string | null;
  job_id: string | null;
}

/** What went wrong (RFC 9457). `code` names the kind of error, `detail` says what to do next. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  request_id: string | null;
  blocking: string[] | null;
}
