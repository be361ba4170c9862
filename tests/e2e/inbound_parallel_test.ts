/**
 * `parallel` with a deadline in YAML, in a running server: a member that is slow holds up none of the others, and what its
 * lateness means is what the operator says. Nothing here depends on how fast anything is: the slow one answers when the
 * test has seen the others, or never. Non-job: who answers where several refuse (tests/unit/pipeline/combine_test.ts).
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testUnless } from "../support/debian.ts";
import { FakeEngine } from "../support/fake_engine.ts";
import { fieldsOf, INBOUND_MISSING, InboundSite, keyRecord, signedBy } from "../support/inbound_site.ts";

const ZONE = `
good TXT "v=spf1 ip4:192.0.2.1 -all"
${await keyRecord("good.example")}
`;
/** Words beside the group. */
const plugins = (clamd: string, words: string) =>
  `  - spf
  - relay
  - recipients: { accounts: { me: inbox } }
  - parallel:
      - clamav: { servers: ["${clamd}"] }
      - dkim
      - arc
${words}  - dmarc
  - inbox`;
const amy = async () => ({
  ip: "192.0.2.1",
  from: "amy@good.example",
  to: "me@home.example",
  message: await signedBy("good.example", "From: amy@good.example\nSubject: hello\n\nHello\n"),
});

testUnless(INBOUND_MISSING, "parallel: the others are done while a member still waits", async () => {
  let seen!: () => void;
  const others = new Promise<void>((resolve) => seen = resolve);
  await using clamd = new FakeEngine(async (side) => {
    await side.until((heard) => heard.endsWith("\0\0\0\0"));
    await others;
    await side.say("stream: OK\0");
  });
  await using site = await InboundSite.start({
    plugins: plugins(clamd.place, "    deadline: 2m\n"),
    zone: ZONE,
    level: "debug",
  });
  const answer = site.says(await amy());
  for (const name of ["dkim", "arc"]) {
    await site.logged("decision", ({ phase, plugin }) => phase === "data" && plugin === name);
  }
  assertEquals(clamd.connections, 1);
  const decided = () => site.log("decision").filter(({ phase }) => phase === "data").map(({ plugin }) => plugin);
  assert(!decided().includes("clamav") && !decided().includes("dmarc"), decided().join());
  seen();
  assertMatch((await answer).raw, /^250 /);
  const stored = await site.inbox("Subject: hello");
  const found = fieldsOf(stored, "Authentication-Results")[0]!;
  for (const each of ["spf=pass", "dkim=pass", "arc=none", "dmarc=none"]) assertStringIncludes(found, `; ${each}`);
});

for (
  const [onError, expected] of [["", /^451 4\.3\.0 Local error in processing/], [
    "    onError: skip\n",
    /^250 /,
  ]] as const
) {
  const what = onError === "" ? "puts the mail off" : "counts as if it were not there where the operator says so";
  testUnless(INBOUND_MISSING, `parallel: a member that never answers ${what}`, async () => {
    await using clamd = new FakeEngine((side) => side.forever());
    await using site = await InboundSite.start({
      plugins: plugins(clamd.place, `    deadline: 3s\n${onError}`),
      zone: ZONE,
    });
    assertMatch((await site.says(await amy())).raw, expected);
    const line = await site.logged("decision", ({ verdict }) => verdict === "error");
    assertEquals([line["plugin"], line["phase"]], ["clamav", "data"]);
    assertEquals((await site.server.api.messages()).length, onError === "" ? 0 : 1);
  });
}
