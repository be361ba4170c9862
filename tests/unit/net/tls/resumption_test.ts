/** Sessions that openssl's client takes up again, with several certificates and after one was replaced. */
import { assertEquals } from "@std/assert";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";
import { Pki } from "./pki.ts";
import { type Session, TlsServer } from "./tls_server.ts";

async function visit(server: TlsServer, name: string, args: readonly string[]): Promise<Session> {
  const before = server.sessions.length;
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${server.port}`, "-servername", name, "-quiet", "-no_ign_eof", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = client.stdout.getReader();
  await reader.read(); // the greeting; tickets came before it
  const session = await waitFor("the session", () => server.sessions[before]);
  await reader.cancel();
  await client.stdin.close();
  await client.status;
  return session;
}

testWith(
  ["openssl"],
  "a session is resumed with each certificate; under another name, and with a replaced one, it is safe",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const a = await pki.issue("a", { san: "DNS:a.example" }), b = await pki.issue("b", { san: "DNS:b.example" });
    const fresh = await pki.issue("fresh", { san: "DNS:b.example" });
    let offset = 0;
    const now = () => Date.now() + offset;
    const certificates = await Certificates.open({ pairs: [a, b], trouble: () => {}, period: 0, now });
    await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2", now }));
    const ticket = (name: string) => folder.at(`ticket${name}`);
    for (const version of ["-tls1_2", "-tls1_3"]) {
      for (const name of ["a.example", "b.example"]) {
        const first = await visit(server, name, [version, "-sess_out", ticket(version + name)]);
        const second = await visit(server, name, [
          version,
          "-sess_in",
          ticket(version + name),
          "-sess_out",
          ticket(version + name),
        ]);
        assertEquals([first.facts.resumed, second.facts.resumed], [false, true], `${version} ${name}`);
        assertEquals(second.bindings.get("tls-server-end-point"), certificates.pick(name).endPoint);
      }
      // The ticket is for another name: a full handshake (RFC 6066 3)
      const crossed = await visit(server, "a.example", [version, "-sess_in", ticket(`${version}b.example`)]);
      assertEquals([crossed.facts.resumed, crossed.facts.serverName], [false, "a.example"]);
    }
    await Deno.copyFile(fresh.certificate, b.certificate);
    await Deno.copyFile(fresh.key, b.key);
    assertEquals(await certificates.reload(), []);
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const args = [version, "-sess_in", ticket(`${version}b.example`)];
      const old = await visit(server, "b.example", args);
      // Taken up or not, it is never bound to a certificate that the client was not shown
      const bound = old.bindings.get("tls-server-end-point");
      assertEquals(bound, old.facts.resumed ? undefined : certificates.pick("b.example").endPoint!);
      const full = await visit(server, "b.example", [version]);
      assertEquals(full.facts.resumed, false);
      assertEquals(full.bindings.get("tls-server-end-point"), certificates.pick("b.example").endPoint);
    }
    offset = 2 * 86_400_000; // by now every ticket from before the replacement is void
    await visit(server, "b.example", ["-tls1_2", "-sess_out", ticket("late")]);
    const late = await visit(server, "b.example", ["-tls1_2", "-sess_in", ticket("late")]);
    assertEquals([late.facts.resumed, late.bindings.has("tls-server-end-point")], [true, true]);
  },
);
