/**
 * GNU SASL logs in by SCRAM. It binds to a channel by tls-exporter (TLS 1.3) or tls-unique (TLS 1.2) alone, which no
 * runtime of ours gives to a server; that this ends in one clear line is shown here, that -PLUS works in submission_test.ts.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { PASSWORD, SubmissionSite, USER } from "../support/submission_site.ts";
import { MAKES_CERTIFICATES } from "../support/tls.ts";
import { run } from "./run.ts";

const PLUS = "SCRAM-SHA-256-PLUS";

async function gsasl(site: SubmissionSite, password: string, ...more: string[]): Promise<string> {
  return await run("gsasl", [
    ...["--smtp", `--connect=127.0.0.1:${site.ports.starttls}`, "--starttls", "--hostname=localhost"],
    ...[`--x509-ca-file=${site.authority.caFile}`, `--authentication-id=${USER}`, `--password=${password}`, ...more],
  ], { text: "", anyEnd: true });
}

for (const offered of [["SCRAM-SHA-256"], [PLUS, "SCRAM-SHA-256"]]) {
  testWith(
    ["gsasl", ...MAKES_CERTIFICATES],
    `gsasl logs in by SCRAM-SHA-256 where the offer is ${offered.join(", ")}`,
    async () => {
      await using site = await SubmissionSite.start({ mechanisms: offered });
      const text = await gsasl(site, PASSWORD, "--mechanism=SCRAM-SHA-256", "--no-cb");
      assertMatch(text, /^235 2\.7\.0 /m);
      assertMatch(text, /server trusted/); // the server's signature was verified
      assertMatch(await gsasl(site, "wrong", "--mechanism=SCRAM-SHA-256", "--no-cb"), /^535 5\.7\.8 /m);
    },
  );
}

testWith(
  ["gsasl", ...MAKES_CERTIFICATES],
  "gsasl and SCRAM-SHA-256-PLUS: bindings that are not here are refused in one line",
  async () => {
    await using site = await SubmissionSite.start({ mechanisms: [PLUS, "SCRAM-SHA-256"] });
    for (const [version, binding] of [["1.2", "tls-unique"], ["1.3", "tls-exporter"]] as const) {
      const priority = `--priority=NORMAL:-VERS-ALL:+VERS-TLS${version}`;
      const text = await gsasl(site, PASSWORD, `--mechanism=${PLUS}`, priority);
      const first = /^AUTH SCRAM-SHA-256-PLUS\r?\n334 \r?\n(\S+)\r?\n/m.exec(text)?.[1];
      assertEquals(atob(first ?? "").split(",")[0], `p=${binding}`);
      assertStringIncludes(text, "501 5.5.2 No channel binding of this type here");
    }
  },
);
