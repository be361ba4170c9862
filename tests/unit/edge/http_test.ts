import { assert, assertEquals, assertMatch } from "@std/assert";
import { defer, type EdgePhases, MemoryResolver, type Plugin, reject } from "postern";
import { edgeHost, type EdgeMail, keep, type MessageHostOptions } from "postern/edge";
import { signatureHeaders } from "../../../core/webhooks/signature.ts";
import { readForm } from "../../../core/edge/form.ts";

const SECRET = "0123456789abcdef", KEY = new Uint8Array(32).fill(7), WHSEC = `whsec_${KEY.toBase64()}`;
const HELLO = "Subject: hello\r\n\r\nHello\r\n";
const judge: Plugin<EdgePhases> = {
  name: "judge",
  handlers: {
    data(ctx, next) {
      const subject = ctx.message.header("Subject");
      for (const recipient of ctx.recipients) {
        const { local } = recipient.address;
        if (local === "full") ctx.refuse(recipient, reject("5.2.2", "Mailbox full"));
        if (local === "later") ctx.refuse(recipient, defer("4.2.2", "Mailbox full for now"));
      }
      return subject === "gold" ? reject("5.7.1", "No gold") : subject === "later" ? defer("4.7.1", "Not now") : next();
    },
  },
};

/** A host behind a real web server, and what it has kept. */
class Site implements AsyncDisposable {
  readonly kept: EdgeMail[] = [];
  readonly lines: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  constructor(options: Partial<MessageHostOptions> = {}) {
    const host = edgeHost({
      host: { name: "edge.example.org" },
      plugins: [judge],
      dns: new MemoryResolver({}),
      auth: { secret: SECRET },
      deliver: keep((mail) => void this.kept.push(mail)),
      log: (line) => void this.lines.push(line),
      ...options,
    });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => host.fetch(request));
  }
  async post(path: string, init: RequestInit & { readonly secret?: string | null } = {}) {
    const { secret = SECRET, headers, ...rest } = init, all = new Headers(headers);
    if (secret !== null) all.set("authorization", `Bearer ${secret}`);
    const url = `http://127.0.0.1:${this.#server.addr.port}${path}`;
    const response = await fetch(url, { method: "POST", body: HELLO, ...rest, headers: all });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
const AMY = "/?from=amy@example.net&to=ann@example.org";

Deno.test("a message by POST: accepted, refused for good, put off", async () => {
  await using site = new Site();
  const taken = await site.post(`${AMY}&to=bob@example.org`);
  assertEquals([taken.status, taken.body], [200, { id: site.kept[0]!.id, refused: [] }]);
  assertEquals([site.kept[0]!.via, site.kept[0]!.recipients.map(({ address }) => address.local)], ["http", [
    "ann",
    "bob",
  ]]);
  assert(new TextDecoder().decode(site.kept[0]!.content()).endsWith(`\r\n${HELLO}`));
  const gold = await site.post(AMY, { body: "Subject: gold\r\n\r\n" });
  assertEquals(gold.status, 406);
  assertMatch(gold.body.reply, new RegExp(`^550 5\\.7\\.1 No gold \\(ref ${gold.body.id.slice(-8)}\\)$`));
  const later = await site.post(AMY, { body: "Subject: later\r\n\r\n" });
  assertEquals([later.status, later.headers.get("retry-after")], [503, "60"]);
  const some = await site.post(`${AMY}&to=full@example.org`);
  assertEquals([some.status, some.body.refused], [200, [{
    recipient: "full@example.org",
    reply: "550 5.2.2 Mailbox full",
  }]]);
  const before = site.kept.length;
  // Were ann served now, the repetition for the other would serve her twice
  assertEquals([(await site.post(`${AMY}&to=later@example.org`)).status, site.kept.length], [503, before]);
  assertEquals((await site.post("/?from=&to=ann@example.org")).status, 200, "the null sender");
  assertEquals(site.kept.at(-1)!.sender, null);
  const headers = { "x-envelope-from": "amy@example.net", "x-envelope-to": "ann@example.org, bob@example.org" };
  assertEquals([(await site.post("/", { headers })).status, site.kept.at(-1)!.recipients.length], [200, 2]);
});

Deno.test("a message with Unix line ends gets those of the wire, any other stays as it is", async () => {
  await using site = new Site();
  for (const body of ["Subject: x\n\nHello\n", "Subject: x\r\n\r\nHel\nlo\r\n"]) await site.post(AMY, { body });
  const texts = site.kept.map(({ received }) => new TextDecoder().decode(received));
  assertEquals(texts, ["Subject: x\r\n\r\nHello\r\n", "Subject: x\r\n\r\nHel\nlo\r\n"]);
});

Deno.test("what is no message is answered at once", async (t) => {
  await using site = new Site({ size: 1000, recipients: 2 });
  const large = "Subject: x\r\n\r\n" + "x".repeat(1000);
  const endless = () =>
    ReadableStream.from((async function* () {
      for (let i = 0; i < 100; i++) yield new Uint8Array(16_384);
    })());
  const table: readonly [string, string, RequestInit & { secret?: string | null }, number][] = [
    ["another method", AMY, { method: "PUT" }, 405],
    ["no secret", AMY, { secret: null }, 401],
    ["another secret", AMY, { secret: "fedcba9876543210" }, 401],
    ["no envelope", "/?from=amy@example.net", {}, 400],
    ["too many recipients", `${AMY}&to=b@c&to=d@e`, {}, 400],
    ["too large", AMY, { body: large }, 413],
    ["too large, and nobody knows how large", AMY, { body: endless() }, 413],
    ["a form without a message", AMY, { body: form({ envelope: "{}" }) }, 400],
    ["a form that is none", AMY, { headers: { "content-type": "multipart/form-data; boundary=x" } }, 400],
  ];
  for (const [name, path, init, status] of table) {
    await t.step(name, async () => assertEquals((await site.post(path, init)).status, status));
  }
  assertEquals((await site.post("/?from=amy&to=ann@example.org")).status, 406, "no address");
  assertEquals(site.kept.length, 0);
  await using closed = new Site({ auth: undefined as never });
  assertEquals((await closed.post(AMY)).status, 403);
});

Deno.test("a defect of the way on puts it off", async () => {
  await using site = new Site({ deliver: keep(() => Promise.reject(new Error("the bucket is away"))) });
  assertEquals([(await site.post(AMY)).status, JSON.parse(site.lines[0]!).failure], [503, "the bucket is away"]);
});

Deno.test("signed requests: the right key, the right octets, and not long ago", async (t) => {
  await using site = new Site({ auth: { signed: [`whsec_${new Uint8Array(24).toBase64()}`, WHSEC] } });
  const now = Math.floor(Date.now() / 1000);
  const headersOf = (body: string, timestamp = now, key = KEY) =>
    signatureHeaders({ id: "msg_1", timestamp, body }, [key]);
  const table: readonly [string, Record<string, string>, number][] = [
    ["as it should be", headersOf(HELLO), 200],
    ["over other octets", headersOf("Subject: gold\r\n\r\n"), 401],
    ["with another key", headersOf(HELLO, now, new Uint8Array(32).fill(9)), 401],
    ["ten minutes old", headersOf(HELLO, now - 600), 401],
    ["of tomorrow", headersOf(HELLO, now + 86_400), 401],
    ["an id that was not signed", { ...headersOf(HELLO), "webhook-id": "msg_2" }, 401],
    ["none at all", {}, 401],
  ];
  for (const [name, headers, status] of table) {
    await t.step(name, async () => assertEquals((await site.post(AMY, { secret: null, headers })).status, status));
  }
});

/** A form as a browser or a service writes it. */
function form(fields: Readonly<Record<string, string>>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

Deno.test("forms of services for inbound mail: the message as it was received, the envelope beside it", async () => {
  await using site = new Site();
  const basic = { authorization: `Basic ${btoa(`any:${SECRET}`)}` };
  const sendgrid = form({
    email: HELLO,
    envelope: '{"to":["ann@example.org","bob@example.org"],"from":"amy@example.net"}',
    SPF: "pass",
  });
  assertEquals((await site.post("/", { body: sendgrid, secret: null, headers: basic })).status, 200);
  const mailgun = form({ "body-mime": HELLO, sender: "amy@example.net", recipient: "ann@example.org" });
  assertEquals((await site.post("/", { body: mailgun })).status, 200);
  assertEquals(site.kept.map(({ sender, recipients }) => [sender!.local, recipients.length]), [["amy", 2], ["amy", 1]]);
  assertEquals(site.kept.map(({ received }) => new TextDecoder().decode(received)), [HELLO, HELLO]);
});

Deno.test("fields of a form are octets", () => {
  const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const read = (text: string, type = 'multipart/form-data; boundary="a b"') => {
    const fields = readForm(octets(text), type);
    return fields && [...fields].map(([name, value]) => [name, String.fromCharCode(...value)]);
  };
  const part = (name: string, value: string) =>
    `--a b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  assertEquals(read(`${part("x", "\xe9\xff\0")}--a b--`), [["x", "\xe9\xff\0"]]);
  assertEquals(read(`preamble\r\n${part("x", "1")}${part("x", "2")}${part("y", "")}--a b--\r\n`), [["x", "1"], [
    "y",
    "",
  ]]);
  assertEquals(read(`${part("x", "a\r\n--a b not at all")}--a b--`), null, "the boundary in a value ends it");
  const none = [
    "",
    "--a b",
    part("x", "1"),
    "--a b\r\nno header\r\n\r\n1\r\n--a b--",
    `${part("x", "1").repeat(200)}--a b--`,
  ];
  for (const text of none) assertEquals(read(text), null, text.slice(0, 40));
  for (const type of ["text/plain", "multipart/form-data", `multipart/form-data; boundary=${"x".repeat(80)}`]) {
    assertEquals(read(`${part("x", "1")}--a b--`, type), null, type);
  }
  const began = performance.now();
  read(`--a b\r\n${"\r\n--a ".repeat(200_000)}`);
  assert(performance.now() - began < 20_000);
});
