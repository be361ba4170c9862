/** Mail looked at by a real clamd: through a running server, and finer things beside it. */
import { assertEquals, assertMatch } from "@std/assert";
import { runPhase } from "../../core/pipeline/testing/simulation.ts";
import { clamav } from "../../plugins/content/clamav/mod.ts";
import { testWith } from "../support/debian.ts";
import { EICAR, startClamd } from "../support/scanners.ts";
import { keepsFaith } from "./scanner_contract.ts";

testWith(["clamd"], "clamd: well, killed, frozen, replaced: the policy holds and no mail is lost", async (t) => {
  await using engine = await startClamd();
  await keepsFaith(t, {
    engine,
    plugin: "clamav",
    options: `servers: ["tcp://127.0.0.1:${engine.port}"]`,
    bad: EICAR,
    refusal: /^550 5\.7\.1 The message contains malware \(Test\.Eicar\.UNOFFICIAL\)/,
  });
});

testWith(["clamd"], "clamd: it looks into parts and codings, and says when a stream is too long for it", async () => {
  await using engine = await startClamd();
  const servers = [`tcp://127.0.0.1:${engine.port}`];
  const ask = async (message: string, options: Parameters<typeof clamav>[0] = {}) =>
    await runPhase(clamav({ servers, timeout: "60s", ...options }), "data", { message }, {});
  const attached = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b

hello
--b
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

${btoa(EICAR)}
--b--
`;
  assertMatch(String((await ask(attached)).reply), /^550 5\.7\.1 .*Test\.Eicar/);
  assertEquals((await ask("Subject: x\n\nhello\n")).reply.code, 250);
  const long = `Subject: x\n\n${"y".repeat(76)}\n`.repeat(5000);
  assertMatch(String((await ask(long)).reply), /^552 5\.3\.4 /);
  assertEquals((await ask(long, { larger: "skip" })).reply.code, 250);
});
