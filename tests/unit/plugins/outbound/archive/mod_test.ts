/** archive: who gets a copy, durable with the message; and nobody who sent it hears of that. */
import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress, OptionsError, reject, runPhase, simulate, type Simulated } from "postern";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { archive } from "../../../../../plugins/outbound/archive/mod.ts";

type Options = Parameters<typeof archive>[0];
const TO = "journal@archive.example";
const names = [
  relay({ networks: ["10.0.0.0/8"] }),
  recipients({ accounts: ["alice", "journal"], aliases: { info: "alice", away: "c@far.example" } }),
];
async function copies(options: Options, facts: Simulated): Promise<string[]> {
  const { rows } = await simulate([archive(options), ...names], facts);
  return rows.filter(({ recipient }) => recipient.copy).map(({ recipient }) => formatAddress(recipient.address));
}

Deno.test("which mail is copied", async () => {
  const out: Simulated = { identity: "amy", from: "amy@example.org", to: "c@far.example" };
  const network: Simulated = { ip: "10.1.1.1", to: "c@far.example" };
  const within: Simulated = { identity: "amy", from: "amy@example.org", to: "alice@example.org" };
  const inwards: Simulated = { from: "c@far.example", to: "info@example.org" };
  const bounce: Simulated = { from: null, to: "alice@example.org" };
  const forwarded: Simulated = { from: "bob@a.example", to: "away@example.org" };
  const rows: [options: Options, copied: Simulated[], not: Simulated[]][] = [
    [{ to: TO }, [out, network, within], [inwards, bounce, forwarded]],
    [{ to: TO, direction: "in" }, [inwards, bounce, forwarded], [out, network, within]],
    [{ to: TO, direction: "both" }, [out, network, within, inwards, bounce, forwarded], []],
    [{ to: TO, direction: "both", senders: ["@example.org"] }, [out, within], [network, inwards, bounce, forwarded]],
    [{ to: TO, direction: "both", recipients: ["info@example.org"] }, [inwards], [out, network, bounce]],
    [{ to: TO, direction: "both", recipients: ["alice@example.org"] }, [within, inwards, bounce], [out, forwarded]],
  ];
  for (const [options, copied, not] of rows) {
    for (const facts of copied) assertEquals(await copies(options, facts), [TO], JSON.stringify([options, facts]));
    for (const facts of not) assertEquals(await copies(options, facts), [], JSON.stringify([options, facts]));
  }
});

Deno.test("an archive of ours is found like every recipient; two archives are two; one that is a recipient already is none", async () => {
  const facts: Simulated = { from: "c@far.example", to: "alice@example.org" };
  const ours: Options = { to: "journal@example.org", direction: "both" };
  assertEquals(await copies(ours, facts), ["journal@example.org"]);
  const { rows } = await simulate([archive(ours), archive({ to: TO, direction: "both" }), ...names], facts);
  assertEquals(rows.length, 3);
  assertEquals(await copies(ours, { ...facts, to: "journal@example.org" }), []);
});

Deno.test("the message and its copy are one commit; header and replies show nothing of it", async () => {
  let commits = 0;
  const commit = () => (commits++, Promise.resolve(null));
  const facts: Simulated = { from: "c@far.example", to: "alice@example.org", role: "lmtp", commit };
  const result = await simulate([archive({ to: TO, direction: "both" }), ...names], facts);
  assertEquals([commits, result.rows.length, result.recipientReplies.length, result.edits.prepend], [1, 2, 1, ""]);
});

Deno.test("another host's bounce of a copy goes to somebody who knows of the archive", async () => {
  const never = { notify: ["NEVER" as const], orcpt: null };
  const copy = { address: "stored@archive.example", original: TO, parameters: never };
  const from = async (options: Options, facts: Simulated = {}) => {
    const { departure } = await runPhase(archive(options), "deliver", {
      from: "c@far.example",
      to: [copy, "d@far.example", TO],
      attempt: () => reject("5.1.1", "No"),
      ...facts,
    });
    return departure!.envelopes.map(({ from }) => from);
  };
  const postmaster = { local: "ops", domain: "example.org" };
  assertEquals(await from({ to: TO }), [TO, "c@far.example", "c@far.example"]);
  assertEquals(await from({ to: TO }, { host: { postmaster } }), ["ops@example.org", "c@far.example", "c@far.example"]);
  assertEquals((await from({ to: TO, returnPath: "a@example.org" }))[0], "a@example.org");
  assertEquals(await from({ to: TO }, { from: null }), ["", "", ""]);
});

Deno.test("options that make no sense", () => {
  for (const options of [{ to: "nobody" }, { to: TO, senders: ["x"] }, { to: TO, direction: "up" }]) {
    assertThrows(() => archive.parse(options, ["archive"]), OptionsError);
  }
});
