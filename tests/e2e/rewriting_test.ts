/**
 * Other addresses on the wire: a server that forwards, maps and archives in front of one that keeps what it gets. What the
 * second one stored has the return path of its MAIL in Return-Path.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1, octets } from "../support/bytes.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const config = (next: number) =>
  `hostname: mx.example.org
domains: [example.org]
postmaster: alice@example.org
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { next: { hosts: ["smtp://127.0.0.1:${next}"] } }
delivery: { routes: [{ domain: "*", to: remote, via: next }] }
plugins:
  - address_map:
      canonical: { both: { "old@": alice@example.org } }
      generic: { "joe@far.example": joseph@far.example }
  - srs: { domain: example.org, secrets: [a secret of some length] }
  - verp: { senders: [list@example.org] }
  - relay: { networks: [127.0.0.0/8] }
  - recipients: { accounts: { alice: inbox, list: inbox }, aliases: { away: carol@far.example } }
  - archive: { to: journal@archive.example, direction: in, recipients: [old@example.org] }
  - inbox: { name: "{local}" }
`;

interface Kept {
  readonly inbox: string;
  /** As the client named them. */
  readonly to: readonly string[];
  readonly raw: string;
}

class Site implements AsyncDisposable {
  readonly #seen = new Set<string>();
  private constructor(readonly first: Server, readonly second: Server) {}

  static async start(): Promise<Site> {
    const second = await Server.start();
    try {
      return new Site(await Server.start({ config: config(second.ports.smtp) }), second);
    } catch (error) {
      await second[Symbol.asyncDispose]();
      throw error;
    }
  }
  async send(from: string, to: string[], message: string): Promise<void> {
    using client = await SmtpClient.ready(this.first.ports.smtp);
    const reply = await client.deliver({ from, to, message: octets(message.replaceAll("\n", "\r\n")) });
    assertEquals(reply.code, 250, reply.raw);
    await client.quit();
  }
  /** The next messages that a server stores, by recipient. */
  async stored(server: Server, count: number): Promise<Kept[]> {
    const found = await waitFor(`${count} messages`, async () => {
      const fresh = (await server.api.messages()).filter(({ id }) => !this.#seen.has(`${server.pid} ${id}`));
      return fresh.length >= count && fresh;
    });
    for (const { id } of found) this.#seen.add(`${server.pid} ${id}`);
    assertEquals(found.length, count);
    const kept = await Promise.all(
      found.map(async ({ id, inbox, to }) => ({ inbox, to, raw: latin1((await server.api.raw(id))!) })),
    );
    return kept.sort((a, b) => a.to[0]! < b.to[0]! ? -1 : 1);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.first[Symbol.asyncDispose]();
    await this.second[Symbol.asyncDispose]();
  }
}
const returnPath = ({ raw }: Kept): string => /^Return-Path: <(.*)>/.exec(raw)![1]!;
const field = ({ raw }: Kept, name: string): string[] =>
  raw.split("\r\n\r\n")[0]!.split("\r\n").filter((line) => line.startsWith(`${name}:`));

Deno.test("forwarded mail has a return path of ours, and its bounce finds the way back", async () => {
  await using site = await Site.start();
  await site.send("bob@a.example", ["away@example.org"], "From: bob@a.example\nTo: away@example.org\n\nHello\n");
  const [forwarded] = await site.stored(site.second, 1);
  const path = returnPath(forwarded!);
  assertEquals(forwarded!.to, ["carol@far.example"]);
  assertMatch(path, /^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=a\.example=bob@example\.org$/);

  await site.send("", [path], "From: <>\nSubject: gone\n\n");
  const [bounce] = await site.stored(site.second, 1);
  assertEquals([bounce!.to, returnPath(bounce!)], [["bob@a.example"], ""]);
});

Deno.test("each recipient of a list has a return path, and a bounce comes to the list", async () => {
  await using site = await Site.start();
  await site.send("list@example.org", ["x@far.example", "y@far.example"], "From: list@example.org\n\nNews\n");
  const sent = await site.stored(site.second, 2);
  assertEquals(sent.map(returnPath), ["list+x=far.example@example.org", "list+y=far.example@example.org"]);

  await site.send("", ["list+x=far.example@example.org"], "Subject: gone\n\n");
  const [bounce] = await site.stored(site.first, 1);
  assertEquals([bounce!.inbox, bounce!.to], ["list", ["list+x=far.example@example.org"]]);
});

Deno.test("mapped addresses in envelope and header, and a copy in the archive that nobody hears of", async () => {
  await using site = await Site.start();
  const message =
    `Received: from x by y\nFrom: "Old, J." <joe@far.example>\nTo: old@example.org\nSubject: s\n\nHello\n`;
  await site.send("joe@far.example", ["old@example.org"], message);
  const [mine] = await site.stored(site.first, 1), [copy] = await site.stored(site.second, 1);
  assertEquals([mine!.inbox, mine!.to], ["alice", ["old@example.org"]]);
  assertEquals(field(mine!, "To"), ["To: alice@example.org"]);
  assert(mine!.raw.indexOf("\r\nFrom:") < mine!.raw.indexOf("\r\nTo:"), "in its place");
  assertEquals([copy!.to, returnPath(copy!)], [["journal@archive.example"], "alice@example.org"]);
  assertEquals([field(copy!, "From"), field(copy!, "To")], [
    ['From: "Old, J." <joseph@far.example>'],
    ["To: alice@example.org"],
  ]);
  const trace = copy!.raw.indexOf("Received: from client.example"), ofFirst = copy!.raw.slice(trace);
  assert(trace > 0);
  assert(!`${mine!.raw} ${ofFirst}`.includes("journal"), "nothing that the first server wrote names the archive");
});
