// Mem0's TypeScript SDK, unchanged but for its host, does what its users do. Run by mem0_clients.py.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.CONTRACT_MODULES + "/");
const { MemoryClient } = require("mem0ai");

const client = new MemoryClient({ apiKey: process.env.CONTRACT_KEY, host: process.env.CONTRACT_HOST });
const filters = { user_id: "ana" };
const texts = (answer) => answer.results.map((r) => r.memory);

const added = await client.add([{ role: "user", content: "I restore old radios." }], {
  userId: "ana",
  metadata: { topic: "radios" },
});
assert.ok(added.eventId);
await client.add([{ role: "user", content: "My radio plays jazz." }], { userId: "ana", runId: "r1" });
const found = await client.search("old radios", { filters, topK: 1 });
assert.deepEqual(texts(found), ["I restore old radios."]);
const id = found.results[0].id;
assert.equal((await client.get(id)).metadata.topic, "radios");
await client.update(id, { text: "I restore old clocks." });
assert.equal((await client.get(id)).memory, "I restore old clocks.");
assert.deepEqual((await client.history(id)).map((r) => r.event), ["ADD", "UPDATE"]);
const page = await client.getAll({ filters, page: 1, pageSize: 1 });
assert.equal(page.count, 2);
assert.ok(page.next);
assert.equal((await client.feedback({ memoryId: id, feedback: "NEGATIVE" })).feedback, "NEGATIVE");
const jazz = (await client.getAll({ filters: { AND: [filters, { run_id: "r1" }] } })).results[0].id;
await client.batchUpdate([{ memoryId: jazz, text: "My radio plays blues." }]);
assert.equal((await client.get(jazz)).memory, "My radio plays blues.");
const exported = await client.createMemoryExport({ filters, schema: {} });
assert.equal((await client.getMemoryExport({ memoryExportId: exported.id })).memories.length, 2);
assert.equal((await client.getProject({ fields: ["multilingual"] })).multilingual, true);
const hook = await client.createWebhook({ url: "http://127.0.0.1:9/x", name: "ts", eventTypes: ["memory_add"] });
assert.equal((await client.getWebhooks()).length, 1);
await client.deleteWebhook({ webhookId: hook.webhookId });
assert.equal((await client.getProfile({ entityId: "ana" })).entityId, "ana");
assert.equal((await client.users({ page: 1, pageSize: 10 })).results[0].name, "ana");
await client.batchDelete([jazz]);
await client.delete(id, { deleteLinked: true });
await assert.rejects(client.get(id), (error) => error.name === "MemoryNotFoundError");
await assert.rejects(client.search("x", { filters: { topic: "x" } }));
assert.deepEqual(texts(await client.getAll({ filters })), []);
await client.add([{ role: "user", content: "我在学书法。" }], { userId: "ana" });
assert.deepEqual(texts(await client.search("书法", { filters })), ["我在学书法。"]);
await client.deleteAll({ userId: "ana" });
await client.add([{ role: "user", content: "I am back." }], { userId: "ana" });
await client.deleteUsers({ userId: "ana" });
assert.equal((await client.users()).count, 0);
console.log("done");
