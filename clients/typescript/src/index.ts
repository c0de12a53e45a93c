export { Client, type Listing } from "./client.js";
export type { ClientOptions } from "./connection.js";
export * from "./errors.js";
export type * from "./options.js";
export type * from "./results.js";
