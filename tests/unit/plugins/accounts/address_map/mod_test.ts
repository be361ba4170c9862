/** address_map: envelope and header, on the way in and out; foreign signatures are left whole. */
import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress, on, OptionsError, runPhase, simulate, type Simulated } from "postern";
import { address_map } from "../../../../../plugins/accounts/address_map/mod.ts";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";

const MESSAGE = `Received: from a
From: "Bob, the old" <bob@old.example> (bob@old.example)
To: alice@old.example, Team: bob@old.example, c@far.example;
Subject: to bob@old.example

bob@old.example
`;
const map = { "bob@old.example": "bob@example.org", "@old.example": "@example.org" };
const names = [relay(), recipients({ accounts: ["alice", "bob"], unknown: "next" })];
const plugin = address_map({ canonical: { both: map } });

function header(output: string): string[] {
  return output.split("\r\n\r\n")[0]!.split("\r\n");
}

Deno.test("canonical: sender, recipients and header, in place and nothing else", async () => {
  const result = await simulate([plugin, ...names], {
    from: "Bob@old.example",
    to: "alice+x@old.example",
    message: MESSAGE,
  });
  assertEquals(result.recipients.map(({ address, original }) => [formatAddress(address), formatAddress(original)]), [
    ["alice@example.org", "alice+x@old.example"],
  ]);
  assertEquals(header(result.output), [
    "Received: from a",
    'From: "Bob, the old" <bob@example.org> (bob@old.example)',
    "To: alice@example.org, Team: bob@example.org, c@far.example;",
    "Subject: to bob@old.example",
  ]);
  assertEquals(result.output.split("\r\n\r\n")[1], "bob@old.example\r\n");
});

Deno.test("tables for senders and for recipients mean only these", async () => {
  const asked = async (canonical: NonNullable<Parameters<typeof address_map>[0]>["canonical"]) =>
    header((await runPhase(address_map({ canonical }), "data", { message: MESSAGE })).output).slice(1, 3)
      .map((line) => line.includes("@example.org"));
  assertEquals(await asked({ sender: map }), [true, false]);
  assertEquals(await asked({ recipient: map }), [false, true]);
  const chain = address_map({
    canonical: { sender: { "a@example.net": "b@example.net" }, both: { "b@example.net": "c@example.org" } },
  });
  const { output } = await runPhase(chain, "data", { message: "From: a@example.net\nTo: a@example.net\n\n" });
  assertEquals(header(output), ["From: c@example.org", "To: a@example.net"]);
});

Deno.test("what the sender wants to hear of a recipient passes on to the mapped one (RFC 3461 5.2.7.2)", async () => {
  const parameters = { notify: ["SUCCESS" as const], orcpt: "rfc822;bob@old.example" };
  const { recipients: [found] } = await simulate([plugin, ...names], {
    to: { address: "bob@old.example", parameters },
  });
  assertEquals([formatAddress(found!.address), found!.parameters], ["bob@example.org", parameters]);
});

Deno.test("a name of ours may lead elsewhere, a foreign one opens no relay", async () => {
  const away = address_map({
    canonical: {
      recipient: { "old@": "new@far.example", "x@far.example": "y@far.example", "in@far.example": "alice@example.org" },
    },
  });
  const rows: [to: string, reply: string, address: string | undefined][] = [
    ["old@example.org", "250 2.0.0", "new@far.example"],
    ["x@far.example", "550 5.7.1", undefined],
    ["new@far.example", "550 5.7.1", undefined],
    ["in@far.example", "250 2.0.0", "alice@example.org"],
  ];
  for (const [to, reply, address] of rows) {
    const result = await simulate([away, ...names], { to });
    const said = result.replies.find(({ phase }) => phase === "rcpt")!.reply;
    assertEquals([`${said.code} ${said.status}`, result.recipients[0] && formatAddress(result.recipients[0].address)], [
      reply,
      address,
    ], to);
  }
});

Deno.test("two names that change places do so once", async () => {
  const swap = address_map({ canonical: { both: { "alice@": "bob@", "bob@": "alice@" } } });
  for (const [to, found] of [["alice@example.org", "bob@example.org"], ["bob@example.org", "alice@example.org"]]) {
    const { recipients } = await simulate([swap, ...names], { to: to! });
    assertEquals(recipients.map(({ address }) => formatAddress(address)), [found]);
  }
});

Deno.test("masquerade: hosts below a domain are not shown, but of those who keep theirs", async () => {
  const hide = address_map({ masquerade: { domains: ["a.example.org", "example.org"], except: ["Root"] } });
  const message =
    "From: u@h.a.example.org\nTo: v@h.example.org, root@h.example.org, w@example.org, x@badexample.org\n\n";
  const { output } = await runPhase(hide, "data", { message });
  assertEquals(header(output), [
    "From: u@a.example.org",
    "To: v@example.org, root@h.example.org, w@example.org, x@badexample.org",
  ]);
  const kept = await simulate([hide, ...names], { from: "u@h.example.org", to: "alice@example.org" });
  assertEquals(kept.reply.code, 250);
});

Deno.test("the sender is another one from MAIL on; <> stays", async () => {
  const seen: (string | null)[] = [];
  const look = on("mail", (ctx, next) => (seen.push(ctx.sender && formatAddress(ctx.sender)), next()));
  for (const from of ["bob@old.example", "x@far.example", null]) await runPhase([plugin, look], "mail", { from });
  assertEquals(seen, ["bob@example.org", "x@far.example", null]);
});

Deno.test("a header that a stranger has signed is left alone, unless the operator says otherwise", async () => {
  const message = `DKIM-Signature: v=1; d=old.example\n${MESSAGE}`;
  const changed = async (options: Parameters<typeof address_map>[0], facts: Simulated = {}) =>
    (await runPhase(address_map(options), "data", { message, ...facts })).output.includes("<bob@example.org>");
  const canonical = { both: map };
  assertEquals(await changed({ canonical }), false);
  assertEquals(await changed({ canonical, signed: true }), true);
  assertEquals(await changed({ canonical }, { identity: "bob" }), true);
  assertEquals(await changed({ canonical, headers: false }, { identity: "bob" }), false);
});

Deno.test("a field that is there twice, or cannot be read, is left alone", async () => {
  const message =
    "From: bob@old.example\nFrom: bob@old.example\nTo: bob@old.example bob@old.example\nCc: bob@old.example\n\n";
  const { output } = await runPhase(plugin, "data", { message });
  assertEquals(header(output), [...message.split("\n").slice(0, 3), "Cc: bob@example.org"]);
});

Deno.test("generic: envelope and header of what leaves for other hosts", async () => {
  const generic = address_map({ generic: { "@example.org": "@isp.example", "joe@far.example": "joseph@far.example" } });
  const message = "From: Bob <bob@example.org>\nTo: joe@far.example\n\n";
  const sent = async (facts: Simulated) => {
    const { departure } = await runPhase(generic, "deliver", { from: "bob@example.org", message, ...facts });
    return [departure!.envelopes, header(departure!.sent).join("; ")] as const;
  };
  const own = { origin: { identity: "bob" } };
  assertEquals(await sent({ to: "joe@far.example", ...own }), [
    [{ from: "bob@isp.example", to: "joseph@far.example" }],
    "From: Bob <bob@isp.example>; To: joseph@far.example",
  ]);
  assertEquals(await sent({ to: "alice@example.org", ...own }), [
    [{ from: "bob@example.org", to: "alice@example.org" }],
    "From: Bob <bob@example.org>; To: joe@far.example",
  ]);
  const bounce = await sent({ from: null, to: "x@far.example", origin: { ip: "" } });
  assertEquals(bounce[0], [{ from: "", to: "x@far.example" }]);
  const signed = `DKIM-Signature: v=1\n${message}`;
  assertEquals(
    (await sent({ to: "x@far.example", message: signed }))[1],
    header(signed.replaceAll("\n", "\r\n")).join("; "),
  );
  assertEquals(
    (await sent({ to: "x@far.example", message: signed, origin: { ip: "" } }))[1]!.includes("isp.example"),
    true,
  );
});

Deno.test("a table in a file is read again when it changes, and kept when it breaks", async () => {
  const folder = await Deno.makeTempDir(), told: string[] = [];
  let now = Date.now();
  const write = async (text: string) => {
    await Deno.writeTextFile(`${folder}/map.yaml`, text);
    await Deno.utime(`${folder}/map.yaml`, new Date(now), new Date(now));
    now += 5000;
  };
  try {
    const make = () =>
      address_map.parse({ canonical: { both: "map.yaml" } }, ["address_map"], {
        base: folder,
        trouble: (message) => void told.push(message),
      });
    assertThrows(make, OptionsError, "map.yaml");
    await write('"@old.example": "@one.example"\n');
    const plugin = make();
    const from = async () =>
      header((await runPhase(plugin, "data", { message: "From: b@old.example\n\n", now: () => now })).output)[0];
    assertEquals(await from(), "From: b@one.example");
    await write('b@old.example: "c@two.example"\n');
    assertEquals(await from(), "From: c@two.example");
    await write("b@old.example: nobody\n");
    assertEquals(await from(), "From: c@two.example");
    assertEquals(told, [
      'map.yaml:1:16: expected an address, name@ or @domain for "b@old.example"; the addresses of map.yaml read before stay in force',
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("options that make no sense", () => {
  const rows: [options: unknown, message: string][] = [
    [{}, "nothing is mapped"],
    [{ canonical: { both: { bob: "x@b.example" } } }, '"bob" is no address'],
    [{ masquerade: { domains: ["no domain"] } }, '"no domain" is no domain'],
    [{ generic: 5 }, "expected a file, or a table of addresses"],
  ];
  for (const [options, message] of rows) {
    assertThrows(() => address_map.parse(options, ["address_map"]), OptionsError, message);
  }
  const error = assertThrows(() =>
    address_map.parse({ canonical: { both: { bob: "x@b.example" } } }, ["at"])
  ) as OptionsError;
  assertEquals(error.issues[0]!.path, ["at", "canonical", "both", "bob"]);
});
