/**
 * Real TLS programs against STARTTLS and TLS at once: versions, certificates by RSA and P-256, resumption, certificates of
 * clients, and a scanner that looks for what is weak.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { programOf, testWith } from "../support/debian.ts";
import { SubmissionSite, USER } from "../support/submission_site.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor, within } from "../support/wait.ts";
import { run } from "./run.ts";

/** Talks through a program that carries its standard input over TLS: each line once the reply before it has come. */
async function talk(
  program: "openssl" | "gnutls-cli",
  args: readonly string[],
  steps: readonly [expect: RegExp, say: string][],
): Promise<string> {
  const child = new Deno.Command(programOf(program)!, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let heard = "", over = false;
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) heard += text;
  };
  const streams = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const ended = child.status.then(() => over = true);
  const writer = child.stdin.getWriter();
  try {
    let from = 0;
    for (const [expect, say] of steps) {
      const match = await waitFor(String(expect), () => expect.exec(heard.slice(from)) ?? over, { every: 5 });
      if (match === true) throw new Error(`it ended before ${expect}`);
      from += match.index + match[0].length;
      await writer.write(new TextEncoder().encode(say));
    }
    await within(`the end of ${program}`, ended, 10_000);
    await streams;
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}: ${(error as Error).message}:\n${heard}`);
  } finally {
    await writer.close().catch(() => {});
    if (!over) child.kill("SIGKILL");
    await ended;
    await streams;
  }
  return heard;
}

function assertNotMatch(text: string, pattern: RegExp): void {
  assert(!pattern.test(text), text);
}

function sClient(site: SubmissionSite, implicit: boolean, ...more: readonly string[]): string[] {
  const port = implicit ? site.ports.implicit : site.ports.starttls;
  return [
    ...["s_client", "-connect", `127.0.0.1:${port}`, "-verify_ip", "127.0.0.1", "-CAfile", site.authority.caFile],
    ...["-verify_return_error", "-crlf", "-nocommands", ...implicit ? [] : ["-starttls", "smtp"], ...more],
  ];
}

/** After the handshake: TLS 1.3's tickets come with the first reply. */
const HELLO: readonly [RegExp, string][] = [
  [/^(?:220|250) .*\r?\n/m, "EHLO client.example\n"],
  [/^250 .*\r?\n/m, "QUIT\n"],
];

for (const algorithm of ["P-256", "RSA"] as const) {
  testWith(
    MAKES_CERTIFICATES,
    `openssl s_client: STARTTLS and TLS at once, TLS 1.2 and 1.3, resumption, ${algorithm}`,
    async (t) => {
      await using site = await SubmissionSite.start({ certificate: { algorithm } });
      await using folder = await TempFolder.make();
      for (const implicit of [false, true]) {
        for (const version of ["1.2", "1.3"]) {
          await t.step(`TLS ${version}, ${implicit ? "at once" : "STARTTLS"}`, async () => {
            const flag = `-tls${version.replace(".", "_")}`, session = folder.at(`${version}-${implicit}`);
            const first = await talk("openssl", sClient(site, implicit, flag, "-sess_out", session), HELLO);
            assertMatch(first, new RegExp(`^New, TLSv${version}, Cipher is`, "m"));
            assertMatch(first, /^Verification: OK$/m);
            assertMatch(first, /^221 /m);
            assertMatch(first, /^250[ -]AUTH .*PLAIN/m);
            assertNotMatch(first.slice(first.indexOf("250-mx.")), /^250[ -]STARTTLS/m); // RFC 3207 4.2
            const again = await talk("openssl", sClient(site, implicit, flag, "-sess_in", session), HELLO);
            assertMatch(again, new RegExp(`^Reused, TLSv${version}, Cipher is`, "m"));
          });
        }
      }
      await t.step("-reconnect: five more handshakes with one session", async () => {
        const text = await talk("openssl", sClient(site, true, "-tls1_2", "-reconnect"), [[
          /^(?:Reused[^]*){5}Verify return code[^]*220 /m,
          "QUIT\n",
        ]]);
        assertEquals(text.match(/^Reused, TLSv1\.2/gm)?.length, 5);
      });
      await t.step("TLS 1.1 and older are not spoken", async () => {
        for (const flag of ["-tls1_1", "-tls1"]) {
          const text = await run("openssl", sClient(site, true, flag, "-cipher", "DEFAULT@SECLEVEL=0"), {
            anyEnd: true,
          });
          assertMatch(text, /alert protocol version|Cipher is \(NONE\)/);
        }
      });
    },
  );
}

testWith(["gnutls-cli", ...MAKES_CERTIFICATES], "gnutls-cli: STARTTLS and TLS at once, resumption", async (t) => {
  await using site = await SubmissionSite.start();
  for (const implicit of [false, true]) {
    await t.step(implicit ? "TLS at once" : "STARTTLS", async () => {
      const text = await talk("gnutls-cli", [
        ...["--x509cafile", site.authority.caFile, "--crlf", "--resume", ...implicit ? [] : ["--starttls-proto=smtp"]],
        ...["-p", String(implicit ? site.ports.implicit : site.ports.starttls), "localhost"],
      ], [[/resumed session[^]*Simple Client Mode:/, "EHLO client.example\n"], [/^250 .*\r?\n/m, "QUIT\n"]]);
      assertMatch(text, /The certificate is trusted/);
      assertMatch(text, /^221 /m);
    });
  }
});

testWith(
  MAKES_CERTIFICATES,
  "a certificate of ours logs in by EXTERNAL; one of another authority, or none, does not",
  async (t) => {
    await using site = await SubmissionSite.start();
    await using stranger = await Authority.make("Somebody");
    const login = (...more: string[]) =>
      talk("openssl", sClient(site, true, "-quiet", ...more), [
        [/^220 .*\r?\n/m, "EHLO client.example\n"],
        [/^250 .*\r?\n/m, "AUTH EXTERNAL =\n"],
        [/^\d\d\d .*\r?\n/m, "QUIT\n"],
      ]);
    for (const version of ["-tls1_2", "-tls1_3"]) {
      await t.step(version, async () => {
        const mine = await site.authority.issue({ names: [USER], client: true });
        assertMatch(await login(version, "-cert", mine.certFile, "-key", mine.keyFile), /^235 2\.7\.0 /m);
        assertNotMatch(await login(version), /^235 /m);
        const forged = await stranger.issue({ names: [USER], client: true });
        assertNotMatch(await login(version, "-cert", forged.certFile, "-key", forged.keyFile), /^235 /m);
        const expired = await site.authority.issue({ names: [USER], client: true, expired: true });
        assertNotMatch(await login(version, "-cert", expired.certFile, "-key", expired.keyFile), /^235 /m);
      });
    }
  },
);

/** The attributes of every element of a name, from sslscan's XML. */
function elements(xml: string, name: string): Record<string, string>[] {
  return [...xml.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, "g"))].map((match) =>
    Object.fromEntries([...match[1]!.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]))
  );
}

testWith(
  ["sslscan", ...MAKES_CERTIFICATES],
  "sslscan finds nothing weak, but for who vouches for the certificate",
  async () => {
    await using site = await SubmissionSite.start();
    const scan = (...args: string[]) => run("sslscan", ["--xml=-", ...args], { deadline: 60_000 });
    const [implicit, starttls] = await Promise.all([
      scan(`127.0.0.1:${site.ports.implicit}`),
      scan("--no-groups", "--starttls-smtp", `127.0.0.1:${site.ports.starttls}`),
    ]);
    for (const xml of [implicit!, starttls!]) {
      const enabled = elements(xml, "protocol").filter((each) => each["enabled"] === "1");
      assertEquals(enabled.map(({ type, version }) => `${type} ${version}`), ["tls 1.2", "tls 1.3"]);
      const ciphers = elements(xml, "cipher");
      assert(ciphers.length >= 4, xml);
      for (const { strength, bits, cipher } of ciphers) {
        assert(["acceptable", "strong"].includes(strength!) && Number(bits) >= 128, `${cipher} is ${strength}`);
        assertMatch(cipher!, /^TLS_|^ECDHE-/); // forward secrecy
      }
      assert(elements(xml, "heartbleed").every((each) => each["vulnerable"] === "0"));
      assert(elements(xml, "renegotiation").every((each) => each["supported"] === "0" || each["secure"] === "1"));
      assert(elements(xml, "compression").every((each) => each["supported"] === "0"));
      assertMatch(xml, /<signature-algorithm>ecdsa-with-SHA256<\/signature-algorithm>/);
      assertMatch(xml, /<expired>false<\/expired>/);
    }
    const groups = elements(implicit!, "group");
    assert(groups.length >= 3, implicit!);
    assertEquals(groups.filter((each) => Number(each["bits"]) < 112), []);
  },
);
