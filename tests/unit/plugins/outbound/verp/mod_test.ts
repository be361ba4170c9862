/** verp: a return path for each recipient on the way out, the sender's own address on the way back. */
import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress, on, OptionsError, runPhase, simulate } from "postern";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { BOUNCED, type Bounced, verp } from "../../../../../plugins/outbound/verp/mod.ts";

const plugin = verp({ senders: ["news-bounces@example.org", "list+*@example.org"] });

Deno.test("senders that are listed get a path for each recipient", async () => {
  const to = ["bob@far.example", "a+b@far.example", `${"x".repeat(50)}@far.example`];
  const paths = async (from: string | null) =>
    (await runPhase(plugin, "deliver", { from, to })).departure!.envelopes.map(({ from }) => from);
  assertEquals(await paths("news-bounces@example.org"), [
    "news-bounces+bob=far.example@example.org",
    "news-bounces+a+2bb=far.example@example.org",
    "news-bounces@example.org", // too long for a local part
  ]);
  assertEquals(await paths("amy@example.org"), Array(3).fill("amy@example.org"));
  assertEquals(await paths(null), Array(3).fill(""));
});

Deno.test("a bounce comes to the sender, and plugins are told whom it is about", async () => {
  const seen: (Bounced | undefined)[] = [];
  const look = on("data", (ctx, next) => (seen.push(ctx.recipients[0]!.get(BOUNCED)), next()));
  const site = [plugin, recipients({ accounts: ["news-bounces", "list+owner", "amy"], plusAddressing: false }), look];
  const rows: [to: string, arrives: string[], about: string | undefined][] = [
    ["news-bounces+bob=far.example@example.org", ["news-bounces@example.org"], "bob@far.example"],
    ["News-Bounces+a+2bb=far.example@example.org", ["news-bounces@example.org"], "a+b@far.example"],
    ["list+owner+bob=far.example@example.org", ["list+owner@example.org"], "bob@far.example"],
    ["amy@example.org", ["amy@example.org"], undefined],
    ["amy+bob=far.example@example.org", [], undefined],
    ["news-bounces+bob@example.org", [], undefined],
    ["list+nobody+bob=far.example@example.org", [], undefined],
  ];
  for (const [to, arrives, about] of rows) {
    seen.length = 0;
    const result = await simulate(site, { from: null, to });
    assertEquals(result.recipients.map(({ address }) => formatAddress(address)), arrives, to);
    assertEquals(seen[0] && formatAddress(seen[0].recipient), about, to);
    if (about !== undefined) {
      assertEquals(result.recipients[0]!.original.local.toLowerCase(), to.split("@")[0]!.toLowerCase());
    }
  }
});

Deno.test("a star alone would be everybody's return path", () => {
  for (const senders of [["*"], [], ["not an address"]]) {
    assertThrows(() => verp.parse({ senders }, ["verp"]), OptionsError);
  }
});
