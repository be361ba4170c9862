/** The examples of docs/api.md, run by a shell against a real server, and what they did. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Server } from "../support/server.ts";
import { waitFor } from "../support/wait.ts";

const manual = Deno.readTextFileSync(new URL("../../docs/api.md", import.meta.url));
const script = [...manual.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block).join("\n");
const SECRET = "a-token-with-scopes-0123";
const CONFIG = `
hostname: mx.example.org
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:2525" }]
plugins: [{ spam_score: { bayes: {} } }, { inbox: { everything: true } }]
admin:
  tokens: [{ name: shop, token: "${SECRET}", scopes: [send, read] }]
`;

Deno.test("docs/api.md: every example does what it says", async () => {
  assert(script.includes("/api/v1/send"));
  await using server = await Server.start({ config: CONFIG });
  const { stdout, stderr, success } = await new Deno.Command("bash", {
    args: ["-euc", script],
    env: { POSTERN: server.api.base, TOKEN: server.api.token },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout);
  assert(success, new TextDecoder().decode(stderr) + output);
  assertStringIncludes(output, '"subject":"Your order"');
  assertStringIncludes(output, "Hello Ada");
  assertStringIncludes(output, '"verdict":"accepted"');
  const { messages } = await server.api.json<{ messages: { subject: string; from: string }[] }>("/api/v1/messages");
  assertEquals(messages.map(({ subject, from }) => [subject, from]), [
    ["Hello", "shop@example.org"],
    ["Your order", '"Shop" <shop@example.org>'],
  ]);
});

Deno.test("tokens with scopes of a real configuration: mail comes in as its account, and nothing else can be done", async () => {
  await using server = await Server.start({ config: CONFIG });
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${SECRET}`, "content-type": "application/json" };
    const response = await fetch(`${server.api.base}/api/v1${path}`, { headers, ...init });
    return { status: response.status, body: await response.json() };
  };
  const message = { from: "shop@example.org", to: "ada@example.org", subject: "Order", text: ".\nhello\n" };
  const sent = await ask("/send", { method: "POST", body: JSON.stringify(message) });
  assertEquals(sent.status, 200, JSON.stringify(sent.body));
  const { id } = sent.body as { id: string };
  const raw = new TextDecoder().decode((await server.api.raw(id))!);
  assertStringIncludes(raw, "\r\n.\r\nhello\r\n");
  assertStringIncludes(raw, "with ESMTPA");
  assertEquals((await ask(`/messages/${id}`)).status, 403);
  assertEquals((await ask("/messages")).body.messages[0].subject, null);
  assertEquals((await ask("/queue/retry?state=deferred", { method: "POST" })).status, 403);
  const told = await server.api.json<{ identity: string; verdict: string; subject?: string }>(`/api/v1/explain/${id}`);
  assertEquals([told.identity, told.verdict], ["shop", "accepted"]);
  await waitFor("the audit in the log", () => server.output.includes(`send ${id} by=shop`));
});
