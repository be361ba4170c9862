/** STARTTLS and AUTH of the client engine (RFC 3207, RFC 4954). */
import { assertEquals, assertThrows } from "@std/assert";
import { ClientSession } from "../../../../core/smtp/client/mod.ts";
import type { LoginOptions } from "../../../../core/smtp/client/mod.ts";
import { clientOptions, play } from "../../../support/client_dialogue.ts";

const login: LoginOptions = {
  credentials: { user: "alice", password: "secret" },
  server: { host: "mx.y.example", port: 587 },
  random: (length) => new Uint8Array(length).fill(7),
};
const OFFER = `S: 220 x
  C: EHLO out.example.org
  S: 250-x
  S: 250-AUTH PLAIN
  S: 250-PIPELINING
  S: 250 STARTTLS
  `;

Deno.test("behind TLS everything is asked again, and what was learned in clear is void", async () => {
  const session = await play(
    `${OFFER}C: STARTTLS
    S: 220 2.0.0 go
    E: starttls
    > secured
    C: EHLO out.example.org
    S: 250-x
    S: 250-STARTTLS
    S: 250 SIZE 77
    E: ready
    > send
    C: MAIL FROM:<a@b.example> SIZE=12`,
    { options: { tls: "if offered" } },
  );
  assertEquals([session.secure, session.peer.has("PIPELINING"), session.peer.size], [true, false, 77]);
  const old = await play(
    `${OFFER}C: STARTTLS
    S: 220 2.0.0 go
    E: starttls
    > secured
    C: EHLO out.example.org
    S: 500 what?
    C: HELO out.example.org
    S: 250 x
    E: ready
    > send
    C: MAIL FROM:<a@b.example>`,
    { options: { tls: "if offered" } },
  );
  assertEquals(old.peer.has("PIPELINING"), false);
});

Deno.test("TLS that is refused: in clear where it may, not at all where it must", async () => {
  await play(`${OFFER}C: STARTTLS\nS: 454 4.7.0 not now\nE: ready`, { options: { tls: "if offered" } });
  await play(`${OFFER}C: STARTTLS\nS: 554 5.7.3 never\nC: QUIT\nE: close defer 4.7.4 starttls`, {
    options: { tls: "required" },
  });
  await play(`${OFFER}C: STARTTLS\nS: 250 OK\nE: close defer 4.5.0 starttls`, { options: { tls: "if offered" } });
  await play(`S: 220 x\nC: EHLO out.example.org\nS: 250 x\nC: QUIT\nE: close defer 4.7.4 starttls`, {
    options: { tls: "required" },
  });
  await play(
    `S: 220 x\nC: EHLO out.example.org\nS: 500 what\nC: HELO out.example.org\nS: 250 x\nC: QUIT\nE: close defer 4.7.4 starttls`,
    { options: { tls: "required" } },
  );
  await play(`${OFFER}E: ready`, { options: { tls: "never" } });
});

Deno.test("a handshake that fails is the end of the attempt", async () => {
  await play(`${OFFER}C: STARTTLS\nS: 220 go\nE: starttls\n> lost no common cipher\nE: close defer 4.4.2 starttls`, {
    options: { tls: "if offered" },
  });
});

Deno.test("TLS from the start needs no STARTTLS", async () => {
  const session = await play(
    `> secured
    S: 220 x
    C: EHLO out.example.org
    S: 250-x
    S: 250 STARTTLS
    E: ready`,
    { options: { tls: "required" } },
  );
  assertEquals(session.secure, true);
  assertThrows(() => session.secured({ trusted: true, bindings: new Map(), certificate: false }), Error);
  const early = new ClientSession(clientOptions());
  early.lost("never mind");
  assertThrows(() => early.secured({ trusted: true, bindings: new Map(), certificate: false }), Error);
});

Deno.test("a password is said in TLS, and in clear only where the host says so", async () => {
  const options = { login, tls: "if offered" as const };
  await play(
    `${OFFER}C: STARTTLS
    S: 220 go
    E: starttls
    > secured
    C: EHLO out.example.org
    S: 250-x
    S: 250 AUTH=LOGIN PLAIN
    E: login
    > login
    C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
    S: 235 2.7.0 welcome
    E: ready`,
    { options },
  );
  await play(`${OFFER}E: login\n> login\nC: QUIT\nE: close defer 4.7.0 auth`, { options: { login, tls: "never" } });
  const inClear = { ...login, inClear: true };
  await play(`${OFFER}E: login\n> login\nC: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 2.7.0 welcome\nE: ready`, {
    options: { login: inClear, tls: "never" },
  });
});

Deno.test("a login that is refused makes no mail undeliverable", async () => {
  const options = { login: { ...login, inClear: true }, tls: "never" as const };
  const begun = `${OFFER}E: login\n> login\nC: AUTH PLAIN AGFsaWNlAHNlY3JldA==\n`;
  await play(`${begun}S: 535 5.7.8 wrong\nC: QUIT\nE: close defer 4.7.8 auth`, { options });
  await play(`${begun}S: 454 4.7.0 not now\nC: QUIT\nE: close defer 4.7.0 auth`, { options });
  await play(`${begun}S: 421 4.7.0 too many\nE: close defer 4.7.0 auth`, { options });
  await play(`${begun}S: 250 OK\nE: close defer 4.5.0 auth`, { options });
  await play(`${begun}> lost closed\nE: close defer 4.4.2 auth`, { options });
  await play(`S: 220 x\nC: EHLO out.example.org\nS: 250 x\nE: login\n> login\nC: QUIT\nE: close defer 4.7.0 auth`, {
    options,
  });
});

Deno.test("case 42: challenges that are none are cancelled, and a success without proof is not believed", async () => {
  const options = { login: { ...login, inClear: true }, tls: "never" as const };
  const scram = OFFER.replace("AUTH PLAIN", "AUTH SCRAM-SHA-256");
  const first =
    `${scram}E: login\n> login\nC: AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPUJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSA==\n`;
  await play(`${first}S: 334 !\nE: login\n> login\nC: *\nE: close defer 4.7.0 auth`, { options });
  await play(`${first}S: 334 cj14\nE: login\n> login\nC: *\nE: close defer 4.7.0 auth`, { options });
  await play(`${first}S: 235 2.7.0 sure\nE: close defer 4.7.0 auth`, { options });
});
