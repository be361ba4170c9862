/** Mail looked at by a real spamd with the rules that come with it, local tests only. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { runPhase, type Simulated } from "../../core/pipeline/testing/simulation.ts";
import { spamassassin } from "../../plugins/content/spamassassin/mod.ts";
import { FCRDNS } from "../../plugins/identity/fcrdns/key.ts";
import { testWith } from "../support/debian.ts";
import { GTUBE, startSpamd } from "../support/scanners.ts";
import { readVectorText } from "../support/vectors.ts";
import { keepsFaith } from "./scanner_contract.ts";

testWith(["spamd"], "spamd: well, killed, frozen, replaced: the policy holds and no mail is lost", async (t) => {
  await using engine = await startSpamd();
  await keepsFaith(t, {
    engine,
    plugin: "spamassassin",
    options: `servers: ["tcp://127.0.0.1:${engine.port}"], reject: 15`,
    bad: GTUBE,
    refusal: /^550 5\.7\.1 Message looks like spam/,
  });
});

testWith(["spamd"], "spamd: points and rules, and the envelope that it reads", async () => {
  await using engine = await startSpamd();
  const plugin = spamassassin({ servers: [`tcp://127.0.0.1:${engine.port}`], timeout: "60s" });
  const rules = async (facts: Simulated) => {
    const { reply, scores } = await runPhase(plugin, "data", { ip: "8.8.4.4", ...facts });
    assertEquals([reply.code, scores.length], [250, 1]);
    return { points: scores[0]!.points, names: new Set(scores[0]!.reason.split(" ").at(-1)!.split(",")) };
  };
  const message = `From: a@example.net\nSubject: hello\n\n${GTUBE}\n`;
  const spam = await rules({ message });
  assert(spam.points > 900 && spam.names.has("GTUBE"), JSON.stringify(spam.points));
  // Rules about the last hop see the client that we see, and its name only where it points back
  assert(spam.names.has("RDNS_NONE"), [...spam.names].join());
  const found = { result: "pass", name: "mail.example.net", names: ["mail.example.net"] };
  const named = await rules({ keys: [[FCRDNS, found]], helo: "mail.example.net", message: "Subject: x\n\nhello\n" });
  assert(!named.names.has("RDNS_NONE"), [...named.names].join());

  const samples = ["sample-nonspam.txt", "sample-spam.txt"].map((each) => readVectorText(`gtube-eicar/${each}`));
  for (const [index, sample] of samples.entries()) {
    if (sample === null) continue;
    const { points } = await rules({ message: sample, keys: [[FCRDNS, found]] });
    assertMatch(String(points), index === 0 ? /^-?[0-4](?:\.|$)/ : /^\d{4}/);
  }
});
