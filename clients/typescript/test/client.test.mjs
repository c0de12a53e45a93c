// The client against a running server, and against one that fails. PYTHON names the Python that has Keepstone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as keepstone from "../dist/index.js";

const { Client } = keepstone;
const script = fileURLToPath(new URL("serve.py", import.meta.url));

describe("a running server", () => {
  let server, settings, client;

  before(async () => {
    server = spawn(process.env.PYTHON ?? "python3", [script], { stdio: ["pipe", "pipe", "inherit"] });
    for await (const line of createInterface({ input: server.stdout })) {
      settings = JSON.parse(line);
      break;
    }
    assert.ok(settings, "the server says where it is");
    client = new Client(settings);
  });

  after(async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.stdin.end();
    await ended;
  });

  test("what is added is found, in both languages", async () => {
    const added = await client.add(
      [
        { content: "I am allergic to peanuts.", id: "m1", timestamp: new Date("2026-03-02T18:00:00Z") },
        { content: "我住在上海", role: "user" },
      ],
      { user_id: "alice", metadata: { from: "test", 标签: [1, null] } },
    );
    assert.deepEqual([added.memories.length, added.messages[0]], [2, "m1"]);
    const [hit] = await client.search("Which peanuts?", { user_id: "alice", limit: 1, explain: true });
    assert.equal(hit.text, "I am allergic to peanuts.");
    assert.ok(hit.score > 0 && hit.explanation.signals.length > 0);
    assert.equal((await client.search("上海", { user_id: "alice" }))[0].text, "我住在上海");
    const filters = { from: { in: ["test"] } };
    const page = await client.getAll({ user_id: "alice", filters, kinds: ["episode"], limit: 1 });
    assert.deepEqual(page.items[0].metadata, { from: "test", 标签: [1, null] });
    const next = await client.getAll({ user_id: "alice", cursor: page.next_cursor });
    assert.deepEqual(next.items.map((m) => m.text), ["我住在上海"]);
    const context = await client.context("What must Alice not eat?", { user_id: "alice", max_tokens: 200 });
    assert.match(context.text, /peanuts/);
    const trace = await client.trace("peanuts", { user_id: "alice", expect: [hit.id] });
    assert.equal(trace.expected[0].stage, "found");
    assert.match((await client.profile({ user_id: "alice" })).text, /peanuts/);
    assert.equal((await client.stats({ user_id: "alice" })).memories, 2);
    assert.deepEqual(await client.jobs(), []);
    assert.equal((await client.usage()).calls, 0);
    assert.ok(Array.isArray(await client.entities({ user_id: "alice" })));
    assert.equal((await client.messages({ user_id: "alice" })).items[0].external_id, "m1");
    assert.equal((await client.conversations()).items.length, 1);
  });

  test("what is changed can be taken back, and what is erased cannot", async () => {
    const { memories } = await client.add("I live in Lyon", { user_id: "bob" });
    const id = memories[0].id;
    const updated = await client.update(id, { text: "I live in Paris", expires_at: "2099-01-01T00:00:00Z" });
    assert.equal(updated.revision, 2);
    assert.equal((await client.update(id, { expires_at: null })).expires_at, null);
    await client.feedback(id, "positive", { reason: "useful" });
    const change = await client.delete(id, { user_id: "bob" });
    await assert.rejects(client.get(id), keepstone.NotFoundError);
    assert.equal((await client.undo(change.id)).length, 1);
    assert.equal((await client.get(id)).text, "I live in Paris");
    const actions = (await client.history(id)).map((c) => c.action);
    assert.deepEqual(actions, ["ADD", "UPDATE", "UPDATE", "FEEDBACK", "DELETE", "RESTORE"]);
    assert.equal((await client.changes({ user_id: "bob" })).items[0].action, "RESTORE");
    const receipt = await client.erase({ ids: [id], user_id: "bob" });
    assert.ok(receipt.verified);
    assert.equal(await client.deleteAll({ user_id: "bob" }), 0);
  });

  test("keys are held to what they may", async () => {
    const made = await client.createKey("alice's", { role: "read", user_id: "alice" });
    const alice = new Client({ url: settings.url, apiKey: made.secret });
    assert.equal((await alice.whoami()).user_id, "alice");
    await assert.rejects(alice.search("x", { user_id: "bob" }), keepstone.PermissionDeniedError);
    await assert.rejects(alice.add("x", { user_id: "alice" }), keepstone.PermissionDeniedError);
    const rotated = await client.rotateKey(made.id);
    await assert.rejects(alice.whoami(), keepstone.AuthenticationError);
    await client.revokeKey(rotated.id);
    assert.ok((await client.keys()).items.length >= 3);
    assert.ok((await client.audit({ operation: "create_key" })).items.length >= 1);
  });

  test("tenants and webhooks", async () => {
    await client.createTenant("acme", { name: "Acme" });
    await assert.rejects(client.createTenant("acme"), keepstone.ConflictError);
    assert.deepEqual((await client.tenants()).items.map((t) => t.id), ["", "acme"]);
    await client.dropTenant("acme", { confirm: true });
    const hook = await client.createWebhook("https://hooks.example/in", { kinds: ["changes"], user_id: "alice" });
    assert.ok(hook.secret);
    assert.equal((await client.deliveries(hook.id)).items.length, 0);
    await client.dropWebhook(hook.id);
    assert.deepEqual(await client.webhooks(), []);
  });

  test("errors say what is wrong", async () => {
    await assert.rejects(client.search("x"), (error) => {
      assert.ok(error instanceof keepstone.InvalidRequestError);
      assert.equal(error.code, "scope");
      assert.match(error.message, /user_id/);
      return true;
    });
    await assert.rejects(client.search("x", { user_id: "a", no_such: 1 }), keepstone.InvalidRequestError);
    assert.throws(() => client.get(".."), keepstone.KeepstoneError);
  });

  test("events are followed as they come, and stop at a signal", async () => {
    const stop = new AbortController();
    const seen = [];
    await client.add("first", { user_id: "carol" });
    try {
      for await (const event of client.follow({ after: 0, user_id: "carol", texts: true }, { signal: stop.signal })) {
        seen.push(event.changes[0].new_text);
        if (seen.length === 1) await client.add("second", { user_id: "carol" });
        if (seen.length === 2) stop.abort();
      }
    } catch (error) {
      assert.equal(error.name, "AbortError");
    }
    assert.deepEqual(seen, ["first", "second"]);
    const page = await client.events({ user_id: "carol", kinds: ["changes"] });
    for await (const event of client.follow({ after: page.items[0].sequence, user_id: "carol" })) {
      assert.equal(event.sequence, page.items[1].sequence, "goes on where it was");
      break;
    }
  });

  test("an archive goes out and comes back", async () => {
    await client.add("I like tea", { user_id: "dave" });
    const archive = new Uint8Array(await new Response(await client.export({ user_id: "dave" })).arrayBuffer());
    await client.reset({ confirm: true });
    assert.equal((await client.stats()).memories, 0);
    const report = await client.import(archive);
    assert.equal(report.memories, 1);
    assert.equal((await client.getAll({ user_id: "dave" })).items[0].text, "I like tea");
  });
});

describe("a server that fails", () => {
  const problem = (status, code, headers = {}) => [
    status,
    { "Content-Type": "application/problem+json", ...headers },
    JSON.stringify({ status, code, detail: "Something is wrong.", blocking: ["c1"] }),
  ];
  const good = [200, { "Content-Type": "application/json" }, '{"items": []}'];

  async function scripted(answers, use) {
    const keys = [];
    const server = createServer((request, response) => {
      keys.push(request.headers["idempotency-key"]);
      const answer = answers.shift();
      if (answer === "hang up") return void request.socket.destroy();
      if (answer === "wait") return;
      response.writeHead(answer[0], answer[1]).end(answer[2]);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${server.address().port}`;
      await use((options = {}) => new Client({ url, apiKey: "ks_test", ...options }), keys);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  const now = { "Retry-After": "0" };
  for (const first of ["hang up", problem(503, "store_busy", now), problem(429, "refused", now), problem(409, "refused", now)]) {
    test(`is asked again, once: ${first[0]}`, () =>
      scripted([first, good], async (client, keys) => {
        assert.deepEqual(await client().search("tea", { user_id: "alice" }), []);
        assert.ok(keys[0] && keys[0] === keys[1]);
      }));
  }

  test("is not asked again where that could do something twice", () =>
    scripted(["hang up", good], async (client, keys) => {
      await assert.rejects(client().deleteAll({ user_id: "alice" }), keepstone.ConnectionError);
      assert.deepEqual(keys, [undefined]);
    }));

  test("gives up", () =>
    scripted([problem(503, "x", now), problem(503, "x", now), good], async (client, keys) => {
      await assert.rejects(client({ attempts: 2 }).stats(), keepstone.ServerError);
      assert.equal(keys.length, 2);
    }));

  test("conflicts name what is in the way", () =>
    scripted([problem(409, "conflict")], async (client) => {
      await assert.rejects(client().undo("c0"), (error) => error.blocking[0] === "c1");
    }));

  test("does not answer in time", () =>
    scripted(["wait"], async (client) => {
      await assert.rejects(client({ timeout: 0.1, attempts: 1 }).stats(), keepstone.TimedOutError);
    }));

  test("stops at a signal", () =>
    scripted(["wait"], async (client) => {
      await assert.rejects(client().stats({}, { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
    }));

  test("is not what it seems", () =>
    scripted([[200, {}, "<html>"], [302, { Location: "http://127.0.0.1:9/" }, ""]], async (client) => {
      await assert.rejects(client({ attempts: 1 }).stats(), keepstone.KeepstoneError);
      await assert.rejects(client({ attempts: 1 }).stats(), keepstone.KeepstoneError);
    }));
});

test("settings", () => {
  assert.equal(new Client({ apiKey: "ks_x" }).url, "http://127.0.0.1:8765");
  assert.equal(new Client({ apiKey: "ks_x", url: "https://a.example/" }).url, "https://a.example");
  assert.throws(() => new Client({ apiKey: "" }), keepstone.KeepstoneError);
  assert.throws(() => new Client({ apiKey: "ks_x", url: "a.example" }), keepstone.KeepstoneError);
});
